import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { KeptForm } from "../../webui/ui/widgets/page/forms.js";

const NAMES = ["kind", "prompt", "phrase"];
const SHOWN = { pair: ["phrase"], grid: [] };

beforeEach(() => {
  const kept = new Map();
  globalThis.sessionStorage = { getItem: (key) => kept.get(key) ?? null, setItem: (key, text) => kept.set(key, text) };
});

test("a form is shown again once, as its kind of question has it", () => {
  new KeptForm("lab").keep(NAMES, ["grid", "a red star", "red"]);
  const form = new KeptForm("lab");
  form.keep(NAMES, ["pair", "", ""]); // how the new page begins
  assert.deepEqual(form.again(NAMES, SHOWN), [
    { __type__: "update", value: "grid" },
    { __type__: "update", value: "a red star" },
    { __type__: "update", value: "red", visible: false },
  ]);
  assert.deepEqual(form.again(NAMES, SHOWN), [undefined, undefined, undefined]);
});

test("a field that is newer than what was kept stays as it is", () => {
  new KeptForm("lab").keep(["kind"], ["pair"]);
  const [, prompt, phrase] = new KeptForm("lab").again(NAMES, SHOWN);
  assert.deepEqual(prompt, { __type__: "update" });
  assert.deepEqual(phrase, { __type__: "update", visible: true });
});

test("what something else fills in is not overwritten", () => {
  new KeptForm("lab").keep(NAMES, ["grid", "a red star", "red"]);
  const form = new KeptForm("lab");
  form.forget();
  assert.deepEqual(form.again(NAMES, SHOWN), [undefined, undefined, undefined]);
});
