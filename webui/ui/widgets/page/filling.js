// What the program fills into the form takes nothing away that was typed after it was asked for.

const SKIP = undefined; // to gradio: as it is
const TYPED = 'textarea, input[type="number"], input[type="range"]';
const ASKS = new Set(["Enter", " "]); // keys that press a button or choose from a list

export class Filling {
  #asked = 0;
  #typed = new Map(); // id of a field -> when something was typed there

  constructor(now = () => performance.now()) {
    this.now = now;
  }

  /** A person may have asked for something that fills the form in. */
  asked() {
    this.#asked = this.now();
  }

  typed(id) {
    this.#typed.set(id, this.now());
  }

  /** gradio's updates of the fields with these names, from what an answer holds. */
  updates(told, names) {
    const { fields } = JSON.parse(told);
    return names.map((name) => (this.#typed.get(name) > this.#asked ? SKIP : fields[name]));
  }

  listen() {
    const asked = () => this.asked();
    const on = (type, handler) => document.addEventListener(type, handler, true);
    on("click", ({ isTrusted, target }) => isTrusted && !target.matches?.("input, textarea") && asked());
    on("keydown", ({ key, target }) => ASKS.has(key) && !target.matches?.(TYPED) && asked());
    for (const type of ["paste", "drop"]) on(type, () => setTimeout(asked)); // what it types itself came before
    on("change", ({ target }) => target.type === "file" && asked());
    on("input", ({ target }) => {
      const field = target.closest?.('[id^="form_"]');
      if (field) this.typed(field.id);
    });
  }
}
