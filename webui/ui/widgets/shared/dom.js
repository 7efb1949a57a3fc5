// Elements of the page, made and written to.

/** An element. Attributes: `text`, handlers (`onclick`), true or false, and any other by its name. */
export function make(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key === "text") made.textContent = value;
    else if (key.startsWith("on")) made[key] = value;
    else if (typeof value === "boolean") made.toggleAttribute(key, value);
    else made.setAttribute(key, value);
  }
  made.append(...children.filter(Boolean));
  return made;
}

export const makeButton = (attributes, ...children) => make("button", { type: "button", ...attributes }, ...children);

/** A function that finds by a selector within an element. */
export const finder = (element) => (selector) => element.querySelector(selector);

/** The box of a form with this name, or null: `form` or `lab`, `prompt`. */
export const textBox = (task, name) => document.querySelector(`#${task}_${name} textarea`);

export const textOf = (task, name) => textBox(task, name)?.value ?? "";

/** Writes as if typed: gradio hears it. */
export function typeInto(area, text) {
  Object.getOwnPropertyDescriptor(HTMLTextAreaElement.prototype, "value").set.call(area, text);
  area.dispatchEvent(new Event("input", { bubbles: true }));
}

/** Presses what no person pressed: a menu that is open stays open, as gradio closes it at any click elsewhere. */
export function press(button) {
  const keep = (event) => event.stopPropagation();
  document.body.addEventListener("click", keep);
  button?.click();
  document.body.removeEventListener("click", keep);
}

const resting = new Map(); // id of a button -> whether it has nothing to do now

/** A button that has nothing to do now looks it, and a press does nothing (access.js); it keeps the focus. */
export function rest(id, isResting) {
  resting.set(id, String(isResting));
  layToRest();
}

/** Again, as a button may come to the page, or be made anew, after it was told. */
export function layToRest() {
  for (const [id, isResting] of resting) {
    const button = document.getElementById(id);
    if (button && button.getAttribute("aria-disabled") !== isResting) button.setAttribute("aria-disabled", isResting);
  }
}

/** Calls `tick` every so many milliseconds, until the element has left the page. */
export function whileThere(element, milliseconds, tick) {
  const ticking = setInterval(() => {
    if (element.isConnected) tick();
    else clearInterval(ticking);
  }, milliseconds);
}

/** Calls `handler` for an event of the whole page, until the element has left it. */
export function onPage(element, type, handler, capture = false) {
  const handle = (event) => {
    if (element.isConnected) handler(event);
    else document.removeEventListener(type, handle, capture);
  };
  document.addEventListener(type, handle, capture);
}
