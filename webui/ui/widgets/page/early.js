// What head.js decides, as functions of values.

/** Whether the page is Chinese: a choice made before counts, else what the browser asks for. Every kind of Chinese. */
export const isChinese = (kept, asked) => /^zh/i.test(kept ?? asked ?? "en");

/** "Send to" opens a tab when the server has answered, however late: not when the person chose a tab meanwhile. */
export class Travels {
  #turns = 0;
  #left = 0;

  /** The person chose a tab. */
  turned() {
    this.#turns += 1;
  }

  /** Something is on its way; `value` goes on as it is. */
  leave(value) {
    this.#left = this.#turns;
    return value;
  }

  /** gradio's outputs for the answer: the tabs, and what names the tab to open. */
  arrive(tab) {
    const opened = tab && this.#turns === this.#left ? { selected: tab } : {};
    return [{ __type__: "update", ...opened }, ""];
  }
}

/** Lists that cannot be opened while their new choices are on their way (`hold` of lists.js says why). `still(name,
 * isStill)` does it. */
export class Holds {
  #count = new Map();

  constructor(still) {
    this.still = still;
  }

  hold(names) {
    for (const name of names) {
      this.#count.set(name, (this.#count.get(name) ?? 0) + 1);
      this.still(name, true);
    }
  }

  release(names) {
    for (const name of names) {
      const left = Math.max((this.#count.get(name) ?? 0) - 1, 0);
      this.#count.set(name, left);
      if (!left) this.still(name, false);
    }
  }
}
