// Texts and pictures that are pasted or dropped.
import assert from "node:assert/strict";
import test from "node:test";
import { isInfotext, likelyWay, pictureIn } from "../../webui/ui/widgets/drop/given.js";

test("a text of settings is told from prose", () => {
  assert.ok(isInfotext("a cat\nNegative prompt: dog\nSteps: 20, Sampler: Euler a, Seed: 1"));
  assert.ok(isInfotext("Steps: 20, Sampler: Euler a"));
  assert.ok(isInfotext("a cat\r\nSteps: 20, CFG scale: 7, Sampler: DDIM"));
  for (const text of ["", "a cat", "Steps: many, Sampler: me", "Steps: 20", "the Sampler: of Steps: 3, and more"]) {
    assert.ok(!isInfotext(text), text);
  }
});

test("words that come with their picture stay words where they can be written", () => {
  const picture = { type: "image/png" };
  const both = { files: [{ type: "text/csv" }, picture], types: ["text/plain", "Files"] };
  assert.equal(pictureIn(both, true), null);
  assert.equal(pictureIn(both, false), picture);
  assert.equal(pictureIn({ files: [picture], types: ["Files"] }, true), picture);
  assert.equal(pictureIn({ files: [], types: ["text/plain"] }, false), null);
});

test("the open task is the likely way", () => {
  assert.equal(likelyWay("img2img"), "img2img");
  assert.equal(likelyWay("txt2img"), "run");
});
