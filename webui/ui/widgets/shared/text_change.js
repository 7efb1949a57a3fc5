// Text that changes as if somebody typed: gradio hears of it, and the browser's own undo takes it back.
import { typeInto } from "./dom.js";

/** Puts `text` in the place of what stands from `start` to `end` of a box; the caret is behind it. */
export function changeText(area, { start, end, text }) {
  area.focus({ preventScroll: true });
  area.setSelectionRange(start, end);
  const isDone = text ? document.execCommand("insertText", false, text) : document.execCommand("delete");
  if (isDone) return;
  typeInto(area, area.value.slice(0, start) + text + area.value.slice(end));
  area.setSelectionRange(start + text.length, start + text.length);
}
