// Keys in the prompt boxes: Ctrl+Up/Down weighs, Alt+Left/Right moves a phrase.
import { changeText } from "../shared/text_change.js";
import { move, weigh } from "./prompt_weights.js";

const WEIGHS = { ArrowUp: 0.1, ArrowDown: -0.1 };
const MOVES = { ArrowRight: 1, ArrowLeft: -1 };

/** What a key does to {value, selectionStart, selectionEnd}: null for nothing, undefined where it is not ours. */
export function changeBy(event, { value, selectionStart, selectionEnd }) {
  const control = event.ctrlKey || event.metaKey;
  if (control && !event.altKey && event.key in WEIGHS) {
    return weigh(value, selectionStart, selectionEnd, WEIGHS[event.key]);
  }
  if (event.altKey && !control && event.key in MOVES) return move(value, selectionStart, MOVES[event.key]);
  return undefined;
}

function pressed(event) {
  const area = event.target;
  if (!(area instanceof HTMLTextAreaElement) || !area.closest('[id$="_prompt"]')) return;
  const changed = changeBy(event, area);
  if (changed === undefined) return;
  event.preventDefault();
  if (changed === null) return;
  changeText(area, { start: 0, end: area.value.length, text: changed.text });
  area.setSelectionRange(changed.start, changed.end);
}

let listening = false;

/** Once for the whole page, whichever composer asks. */
export function listenToKeys() {
  if (listening) return;
  listening = true;
  document.addEventListener("keydown", pressed);
}
