// What narrows the pictures down.
import { make, makeButton } from "../shared/dom.js";
import { VERDICTS } from "../shared/badge.js";
import { starsOf } from "./query.js";

const LISTS = ["proof", "model", "sampler", "task", "size", "kind", "tag"];
const COUNTED = ["model", "sampler", "task", "size", "tag"]; // told by the history, with how many there are
const TICKS = ["lora", "trash"];

const valueOf = (box) => {
  if (box.type === "checkbox") return box.checked ? "1" : "";
  return box.value.trim();
};

export class Filters {
  /** `changed(key, value)` for every change; `reset()` when all are taken away. */
  constructor(element, tell, changed, reset) {
    Object.assign(this, { element, tell, changed, boxes: {} });
    for (const key of LISTS) this.#put(key, make("select", { class: `by-${key}` }));
    this.#put("stars", this.#stars());
    this.#put("seed", make("input", { type: "text", inputmode: "numeric", class: "by-seed" }));
    for (const key of ["since", "until"]) this.#put(key, make("input", { type: "date", class: `by-${key}` }));
    for (const key of TICKS) this.#put(key, make("input", { type: "checkbox", class: `by-${key}` }));
    const clear = () => {
      this.clear();
      reset();
    };
    element.append(makeButton({ class: "reset", text: tell("reset"), onclick: clear }));
    this.#offer(
      "proof",
      VERDICTS.map((verdict) => [verdict, tell(`proof_${verdict}`)]),
    );
    this.#offer("kind", [
      ["image", tell("image")],
      ["grid", tell("grid")],
    ]);
  }

  #stars() {
    const option = (stars) => {
      const text = stars ? starsOf(stars) : this.tell("any");
      return make("option", { value: stars ? String(stars) : "", text });
    };
    return make("select", { class: "by-stars" }, ...[0, 1, 2, 3, 4, 5].map(option));
  }

  #put(key, box) {
    const isTick = TICKS.includes(key);
    const name = make("span", { text: this.tell(key) });
    this.boxes[key] = box;
    box.onchange = () => this.changed(key, valueOf(box));
    this.element.append(make("label", { class: isTick ? "tick" : "" }, ...(isTick ? [box, name] : [name, box])));
  }

  #offer(key, pairs) {
    const box = this.boxes[key];
    const before = box.value;
    const options = [["", this.tell("any")], ...pairs].map(([value, text]) => make("option", { value, text }));
    box.replaceChildren(...options);
    box.value = pairs.some(([value]) => value === before) ? before : "";
  }

  clear() {
    for (const box of Object.values(this.boxes)) {
      if (box.type === "checkbox") box.checked = false;
      else box.value = "";
    }
  }

  /** `facets`: of each filter the values there are and how many pictures have them. */
  offer(facets, tasks) {
    for (const key of COUNTED) {
      const name = (value) => (key === "task" && tasks.includes(value) ? this.tell(value) : value);
      this.#offer(
        key,
        facets[key].map(([value, count]) => [value, `${name(value)} (${count})`]),
      );
    }
  }
}
