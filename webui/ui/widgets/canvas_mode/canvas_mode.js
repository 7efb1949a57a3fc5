import { finder, makeButton } from "../shared/dom.js";
import { speaker } from "../shared/words.js";

const MODES = ["paint", "result"];

export function mount({ element }, { words }) {
  const say = speaker(words);
  const now = document.body.dataset.canvas ?? "paint";
  const button = (mode) =>
    makeButton({ value: mode, text: say(`canvas_${mode}`), "aria-pressed": String(mode === now) });
  finder(element)("#canvas_mode").replaceChildren(...MODES.map(button));
}
