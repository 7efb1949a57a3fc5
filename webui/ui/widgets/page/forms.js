// A form that the program does not keep, kept while the browser's tab is open: a page that loads again shows it.

const keyOf = (name) => `seedprint-form-${name}`;
const SKIP = undefined; // to gradio: as it is

export class KeptForm {
  constructor(name) {
    this.key = keyOf(name);
    this.left = JSON.parse(sessionStorage.getItem(this.key) ?? "null"); // before the new page tells how it begins
  }

  /** `values`: of the fields with these names, as they are now. */
  keep(names, values) {
    sessionStorage.setItem(this.key, JSON.stringify(Object.fromEntries(names.map((one, at) => [one, values[at]]))));
  }

  /** What was left is not shown again: something else fills the form in. */
  forget() {
    this.left = null;
  }

  /** gradio's updates of the fields, the first time. `shown`: kind of question -> the fields that are there for it. */
  again(names, shown) {
    const { left } = this;
    this.forget();
    if (!left) return names.map(() => SKIP);
    const some = new Set(Object.values(shown).flat());
    const here = new Set(shown[left.kind]);
    return names.map((name) => ({
      __type__: "update",
      ...(name in left ? { value: left[name] } : {}),
      ...(some.has(name) ? { visible: here.has(name) } : {}),
    }));
  }
}
