import assert from "node:assert/strict";
import { test } from "node:test";

import { followLarger, largerSize, lineOf } from "../../webui/ui/widgets/shared/larger.js";

test("the size that comes out is rounded and never nothing", () => {
  assert.deepEqual(largerSize([64, 72], 1.5), [96, 108]);
  assert.deepEqual(largerSize([33, 1], 1.25), [41, 1]);
});

const say = (key, values) => (values ? `${key} ${values.n}` : key);

test("what is told of a run", () => {
  const told = { share: 0.256, error: "", held: "" };
  assert.equal(lineOf({ ...told, state: "queued" }, say), "larger_queued");
  assert.equal(lineOf({ ...told, state: "running" }, say), "larger_running 26");
  assert.equal(lineOf({ ...told, state: "done" }, say), "larger_done");
  assert.equal(lineOf({ ...told, state: "cancelled" }, say), "larger_cancelled");
  assert.equal(lineOf({ ...told, state: "queued", held: "The disk is full." }, say), "The disk is full.");
  assert.equal(lineOf({ ...told, state: "failed", error: "Too large." }, say), "Too large.");
});

test("a run is looked at until it is over, and no longer than anybody asks", async () => {
  const answers = [{ state: "queued" }, { state: "done", ids: ["a"] }, { state: "done" }];
  const heard = [];
  const asked = [];
  const talk = async (path) => {
    asked.push(path);
    return answers[asked.length - 1];
  };
  await followLarger(
    talk,
    "7",
    () => true,
    (told) => heard.push(told.state),
  );
  assert.deepEqual(
    [heard, asked],
    [
      ["queued", "done"],
      ["upscale/7", "upscale/7"],
    ],
  );
  heard.length = 0;
  await followLarger(
    async () => ({ state: "running" }),
    "7",
    () => false,
    (told) => heard.push(told.state),
  );
  await followLarger(
    () => Promise.reject(new Error("gone")),
    "7",
    () => true,
    (told) => heard.push(told.state),
  );
  assert.deepEqual(heard, []);
});
