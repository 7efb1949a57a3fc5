import { press } from "../shared/dom.js";

const SOON = 20; // milliseconds: what one act changes comes in several parts

/** Presses buttons that nobody sees, each once for all that wants it within a moment. */
export class Asking {
  #wanted = new Set();

  ask(buttons) {
    if (!this.#wanted.size) setTimeout(() => this.#press(), SOON);
    for (const button of buttons) this.#wanted.add(button);
  }

  #press() {
    const wanted = [...this.#wanted];
    this.#wanted.clear();
    for (const button of wanted) press(document.getElementById(button));
  }
}
