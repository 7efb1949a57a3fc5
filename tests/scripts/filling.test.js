import assert from "node:assert/strict";
import { test } from "node:test";
import { Filling } from "../../webui/ui/widgets/page/filling.js";

const NAMES = ["form_steps", "form_guidance", "form_seed"];
const TOLD = JSON.stringify({ count: 1, fields: { form_steps: { value: 20 }, form_guidance: { value: 3 } } });

test("what was typed after it was asked for stays, all else is filled in", () => {
  let time = 0;
  const filling = new Filling(() => (time += 1));
  filling.typed("form_steps");
  filling.asked();
  filling.typed("form_guidance");
  assert.deepEqual(filling.updates(TOLD, NAMES), [{ value: 20 }, undefined, undefined]);
  filling.asked();
  assert.deepEqual(filling.updates(TOLD, NAMES), [{ value: 20 }, { value: 3 }, undefined]);
});
