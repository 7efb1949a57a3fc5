// What is wrong with a field, told beside it: the program names the field, the page finds it.
import { make, press } from "../shared/dom.js";

const WAITS = 60; // milliseconds between two looks for a part that is being unfolded
const LOOKS = 40;

/** Where a field stands: pictures have places of their own. */
export function placeOf(field, task) {
  if (field === "mask") return "form_painter";
  if (field === "init_image") return task === "inpaint" ? "form_painter" : "form_image";
  return `form_${field}`;
}

const isShown = (element) => Boolean(element?.offsetParent);

/** What the element is folded in, the outer ones first. One that was never opened holds nothing yet: its name tells. */
function foldsOf(id) {
  const all = [...document.querySelectorAll("#form_more, [id^=form_][id$=_fold]")];
  const element = document.getElementById(id);
  if (element) return all.filter((fold) => fold.contains(element));
  const own = all.filter((fold) => fold.id.endsWith("_fold") && id.startsWith(fold.id.replace(/_fold$/, "")));
  return own.length ? own : all.filter((fold) => fold.id === "form_more");
}

/** The element, once what it is folded in has been opened. */
async function unfolded(id) {
  const found = () => document.getElementById(id);
  for (let look = 0; look < LOOKS && !isShown(found()); look += 1) {
    for (const fold of foldsOf(id)) press(fold.querySelector(":scope > .label-wrap:not(.open)"));
    await new Promise((go) => setTimeout(go, WAITS));
  }
  return found();
}

/** Brings a field into view. */
export async function bring(field, task) {
  const element = await unfolded(placeOf(field, task));
  element?.scrollIntoView({ block: "center" });
}

export class Marks {
  #marked = new Map(); // element -> the line in it, and whether it is of a wish that was refused
  #told = "{}";

  /** `faults`: field -> sentence, of a wish that was refused. The first one is brought into view. */
  async show(faults, task) {
    const told = JSON.stringify(faults);
    if (told === this.#told) return;
    this.clear();
    this.#told = told;
    let first = null;
    for (const [field, text] of Object.entries(faults)) {
      const element = await unfolded(placeOf(field, task));
      if (this.#told !== told || !element) continue;
      this.#unmark(element);
      this.#mark(element, text, true);
      first ??= element;
    }
    first?.scrollIntoView({ block: "center" });
  }

  /** Of what is typed: nobody is told while they type, and nothing moves. */
  tell(faults, task) {
    const places = new Set(Object.keys(faults).map((field) => placeOf(field, task)));
    for (const [element, { isRefusal }] of [...this.#marked]) {
      if (!isRefusal && !places.has(element.id)) this.#unmark(element);
    }
    for (const [field, text] of Object.entries(faults)) {
      const element = document.getElementById(placeOf(field, task));
      if (!element || this.#marked.has(element)) continue;
      const mark = () => this.#mark(element, text, false);
      if (element.contains(document.activeElement)) element.addEventListener("focusout", mark, { once: true });
      else mark();
    }
  }

  #mark(element, text, isRefusal) {
    if (this.#marked.has(element)) return;
    const id = `${element.id}_fault`;
    const line = make("div", { id, class: "field-fault", role: "alert", text });
    element.append(line);
    element.classList.add("field-error");
    const input = element.querySelector("textarea, input");
    input?.setAttribute("aria-invalid", "true");
    input?.setAttribute("aria-describedby", id);
    const forget = () => this.#unmark(element);
    element.addEventListener("input", forget, { once: true });
    element.addEventListener("change", forget, { once: true });
    this.#marked.set(element, { line, isRefusal });
  }

  #unmark(element) {
    const input = element.querySelector("textarea, input");
    this.#marked.get(element)?.line.remove();
    this.#marked.delete(element);
    element.classList.remove("field-error");
    input?.removeAttribute("aria-invalid");
    input?.removeAttribute("aria-describedby");
  }

  /** Of a wish that was refused; what is typed otherwise than it is kept stays told. */
  clear() {
    this.#told = "{}";
    for (const [element, { isRefusal }] of [...this.#marked]) if (isRefusal) this.#unmark(element);
  }
}
