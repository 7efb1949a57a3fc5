import assert from "node:assert/strict";
import { test } from "node:test";
import { missing } from "../../webui/ui/widgets/page/left.js";

test("what was left and is shown otherwise is typed again", () => {
  const left = { form_prompt: "a long text", form_negative_prompt: "fog" };
  const shown = { form_prompt: "older", form_negative_prompt: "fog" };
  assert.deepEqual(missing(left, shown), [["form_prompt", "a long text"]]);
});

test("nothing is emptied, and nothing typed where no box is", () => {
  assert.deepEqual(missing({ form_prompt: "" }, { form_prompt: "kept" }), []);
  assert.deepEqual(missing({ form_prompt: "a" }, {}), []);
  assert.deepEqual(missing(null, { form_prompt: "kept" }), []);
});
