// Gradio's drop-down lists, for the keyboard. On their own they open when they are merely come past; a Tab then lands in
// the list, which goes, and so on the body; leaving one asks the program as if something had been chosen; and a choice
// made with Enter leaves the focus nowhere. Here a list that Tab comes to stays shut until a key or a press opens it.

const PASSING = ["Tab", "Shift", "Control", "Alt", "Meta", "Escape"]; // keys that open no list

/** What becomes of a key on a list: "pass", Gradio has it; "keep", it does not; "open", the list opens first; "only
 * open", and that is all. */
export function fateOf(key, { isShut, isHeld }) {
  if (key === "Escape") return isShut ? "keep" : "pass";
  if (PASSING.includes(key) || (isHeld && isShut)) return "keep";
  if (!isShut) return "pass";
  return key === "Enter" ? "only open" : "open";
}

const boxOf = (target) => (target?.matches?.('input[role="combobox"]') ? target : null);

export class Lists {
  #shut = new WeakSet(); // those that have the focus and are not open
  #isByTab = false;
  #chosen = null; // whose choice was just made with Enter

  listen() {
    for (const [type, handle] of [
      ["keydown", (event) => this.#pressed(event)],
      ["focus", (event) => this.#reached(event)],
      ["blur", (event) => this.#left(event)],
      ["mousedown", (event) => this.#pointed(event)],
    ]) {
      document.addEventListener(type, handle, true);
    }
  }

  /** Gradio's script fails on a list that is open while its choices become fewer: until they are there it stays shut. */
  hold(id, isHeld) {
    const place = document.getElementById(id);
    if (!place) return;
    place.toggleAttribute("data-held", isHeld);
    const box = place.querySelector('input[role="combobox"]');
    if (isHeld && box === document.activeElement && !this.#shut.has(box)) this.#refocus(box);
  }

  #open(box) {
    this.#shut.delete(box);
    box.dispatchEvent(new FocusEvent("focus"));
  }

  /** The focus is there, the list is not. */
  #refocus(box) {
    box.blur();
    this.#isByTab = true;
    box.focus({ preventScroll: true });
    box.select(); // as after Tab: what is typed takes its place
    this.#isByTab = false;
  }

  #pressed(event) {
    this.#isByTab = event.key === "Tab"; // said anew by each key: browsers hand out keys before timers
    if (this.#isByTab) this.#tabbed();
    const box = boxOf(event.target);
    if (!box) return;
    const isHeld = Boolean(box.closest("[data-held]"));
    const fate = fateOf(event.key, { isShut: this.#shut.has(box), isHeld });
    if (fate.endsWith("open")) this.#open(box);
    if (fate === "keep" || fate === "only open") event.stopPropagation();
    this.#chosen = fate === "pass" && event.key === "Enter" ? box : null;
  }

  #tabbed() {
    // browsers take a part that scrolls for a place to stop at
    for (const list of document.querySelectorAll('.options [role="listbox"]')) list.tabIndex = -1;
    setTimeout(() => {
      this.#isByTab = false;
    });
  }

  #reached(event) {
    const box = boxOf(event.target);
    if (!box || !(this.#isByTab || box.closest("[data-held]"))) return;
    this.#shut.add(box);
    event.stopImmediatePropagation();
  }

  #left(event) {
    const box = boxOf(event.target);
    if (!box) return;
    if (this.#shut.delete(box)) event.stopImmediatePropagation();
    if (this.#chosen !== box) return;
    this.#chosen = null;
    setTimeout(() => {
      if (document.activeElement === document.body) this.#refocus(box);
    });
  }

  #pointed(event) {
    this.#isByTab = false;
    const box = boxOf(event.target);
    if (box && this.#shut.has(box) && !box.closest("[data-held]")) this.#open(box);
  }
}
