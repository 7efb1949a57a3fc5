// The list of keys says what the keys do.
import assert from "node:assert/strict";
import test from "node:test";
import { changeBy } from "../../webui/ui/widgets/composer/keys.js";
import { keyed } from "../../webui/ui/widgets/shared/view.js";
import { SHORTCUTS, asksForList, capsOf, eventOf } from "../../webui/ui/widgets/shortcuts/table.js";

const rowsOf = (where) => SHORTCUTS.find(([name]) => name === where)[1];

test("each key of a picture does what is said of it", () => {
  const ways = { full_size: "full size" };
  for (const [keys, does] of rowsOf("picture")) {
    for (const one of keys) assert.equal(keyed(eventOf(one))?.[0], ways[does] ?? does, one);
  }
});

test("no key of a picture is left out", () => {
  const printable = Array.from({ length: 95 }, (_, place) => String.fromCharCode(32 + place));
  const named = ["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown", "Home", "End", "Enter", "Escape", "Delete"];
  const told = new Set(rowsOf("picture").map(([, does]) => (does === "full_size" ? "full size" : does)));
  for (const key of [...printable, ...named]) {
    for (const shiftKey of [false, true]) {
      const wish = keyed({ key, shiftKey });
      if (wish) assert.ok(told.has(wish[0]), `${key} does ${wish[0]}`);
    }
  }
});

test("each key of a prompt changes it", () => {
  const box = { value: "a cat, a dog, a bird", selectionStart: 8, selectionEnd: 8 };
  for (const [keys] of rowsOf("prompt")) {
    for (const one of keys) assert.notEqual(changeBy(eventOf(one), box)?.text ?? box.value, box.value, one);
  }
});

test("the list is asked for by its key alone, and not while one types", () => {
  const [[keys]] = rowsOf("everywhere")[0];
  assert.ok(asksForList(eventOf(keys), false));
  assert.ok(!asksForList(eventOf(keys), true));
  assert.ok(!asksForList(eventOf(`Control ${keys}`), false));
  assert.ok(!asksForList(eventOf("f"), false));
});

test("keys are written as they stand on a keyboard", () => {
  assert.deepEqual(capsOf("Control ArrowUp"), ["Ctrl", "↑"]);
  assert.deepEqual(capsOf("f"), ["F"]);
});
