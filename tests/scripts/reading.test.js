import assert from "node:assert/strict";
import { test } from "node:test";

import {
  countsOf,
  encoderTitle,
  kindOf,
  notesOf,
  partTitle,
  tokenTitle,
} from "../../webui/ui/widgets/reading/summary.js";

const say = (key, values = {}) => [key, ...Object.values(values)].join(" ");
const word = (count, learned = false) => ({ weight: 1.1, learned, tokens: Array(count).fill(["a", 7]) });
const chunk = (...words) => ({ part: 1, room: 75, words });
const reading = (more) => ({ family: "sd15", encoders: [[chunk(word(1))]], weights: [1], changes: false, ...more });

test("tokens and room of all chunks of the first encoder", () => {
  const long = reading({ encoders: [[chunk(word(2), word(1)), chunk(word(4))], [chunk(word(9))]] });
  assert.equal(countsOf(long), "7/150");
  assert.equal(countsOf(undefined), "");
  assert.equal(countsOf(reading({ encoders: [[]] })), "");
});

test("a word in pieces and a learned one", () => {
  assert.deepEqual([kindOf(word(1)), kindOf(word(2)), kindOf(word(3, true))], ["", "pieces", "learned"]);
  assert.equal(tokenTitle(word(1), 7, say), "token 7 1.1");
  assert.equal(tokenTitle(word(2), 7, say), "token 7 1.1 · pieces 2");
  assert.equal(tokenTitle(word(3, true), 7, say), "token 7 1.1 · learned 3");
});

test("parts are told where there are several", () => {
  assert.equal(partTitle(chunk(), [1], false, say), "");
  assert.equal(partTitle(chunk(), [1, 0.5], false, say), "part 2 0.5 · ");
  assert.equal(partTitle(chunk(), [1, 0.5], true, say), "compel_part 2 0.5 · ");
});

test("encoders are named where they read differently", () => {
  assert.equal(encoderTitle(reading(), 0), "");
  const two = reading({ encoders: [[], []] });
  assert.deepEqual([encoderTitle(two, 0), encoderTitle(two, 1)], ["CLIP-L · ", "OpenCLIP bigG · "]);
});

test("notes on what is not as it looks", () => {
  const keys = (more, settings = {}) => notesOf(reading(more), settings, (key) => key);
  assert.deepEqual(keys({}, { clip_skip: 1 }), []);
  assert.deepEqual(keys({}, { clip_skip: 2 }), ["clip_skip"]);
  assert.deepEqual(keys({ family: "sdxl" }, { clip_skip: 2 }), ["same"]);
  assert.deepEqual(keys({ family: "sdxl", encoders: [[], []] }, { clip_skip: 3 }), ["clip_skip_sdxl"]);
  assert.deepEqual(keys({ weights: [1, 2] }, { dialect: "compel" }), ["compel"]);
  assert.deepEqual(keys({ family: "flux_dev", changes: true }), ["whole", "changes"]);
  assert.deepEqual(keys({ encoders: [[chunk(word(2))]] }), ["pieces_note"]);
  assert.deepEqual(keys({ encoders: [[chunk(word(2, true))]] }), []);
  assert.deepEqual(notesOf(reading(), { clip_skip: "3" }, say), ["clip_skip 3 2"]);
});
