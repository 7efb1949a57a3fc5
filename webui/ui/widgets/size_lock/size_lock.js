import { finder, onPage } from "../shared/dom.js";
import { speaker } from "../shared/words.js";

const SIDES = ["width", "height"];
const boxOf = (side) => document.querySelector(`#form_${side} input`);

export function mount({ element, props }, { words }) {
  const button = finder(element)(".lock");
  button.title = speaker(words)("size_lock");
  button.setAttribute("aria-label", button.title);
  const isOn = () => button.getAttribute("aria-pressed") === "true";
  /** The shape is the one that stands there when a person begins to type: presets and other buttons change it. */
  const note = () => {
    props.value = isOn() ? Object.fromEntries(SIDES.map((side) => [side, Number(boxOf(side).value)])) : {};
  };
  button.onclick = () => {
    button.setAttribute("aria-pressed", String(!isOn()));
    note();
  };
  onPage(element, "focusin", ({ target }) => {
    if (SIDES.some((side) => boxOf(side) === target)) note();
  });
}
