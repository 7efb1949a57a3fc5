import assert from "node:assert/strict";
import { test } from "node:test";

import { lookOf } from "../../webui/ui/widgets/live/view.js";
import { factsOf, found, kindsOf } from "../../webui/ui/widgets/models/listing.js";
import { Holds, Travels, isChinese } from "../../webui/ui/widgets/page/early.js";
import { leadsTo } from "../../webui/ui/widgets/page/frame.js";
import { fateOf } from "../../webui/ui/widgets/page/lists.js";
import { fill, speaker } from "../../webui/ui/widgets/shared/words.js";

const WORDS = { used: ["used {n}", "使用于 {n}"], hashing: ["hash …", "哈希……"] };

test("words are filled in as they are, in either language", () => {
  assert.equal(fill("{n} of {n} and {m}", { n: 1, m: "$&" }), "1 of 1 and $&");
  assert.equal(speaker(WORDS, 0)("used", { n: 3 }), "used 3");
  assert.equal(speaker(WORDS, 1)("used", { n: 3 }), "使用于 3");
});

test("every kind of Chinese is Chinese; a choice made before counts", () => {
  assert.equal(isChinese(null, "zh-TW"), true);
  assert.equal(isChinese(null, "zh"), true);
  assert.equal(isChinese(null, "de"), false);
  assert.equal(isChinese("en", "zh-CN"), false);
  assert.equal(isChinese("zh", "en"), true);
  assert.equal(isChinese(null, undefined), false);
});

test("a late answer opens no tab when the person chose one meanwhile", () => {
  const travels = new Travels();
  assert.equal(travels.leave("value"), "value");
  assert.deepEqual(travels.arrive("inpaint"), [{ __type__: "update", selected: "inpaint" }, ""]);
  travels.turned();
  assert.deepEqual(travels.arrive("inpaint"), [{ __type__: "update" }, ""]);
  travels.leave();
  assert.deepEqual(travels.arrive("again"), [{ __type__: "update", selected: "again" }, ""]);
  assert.deepEqual(travels.arrive(""), [{ __type__: "update" }, ""]);
});

test("a list stays shut until the last of its new choices has come", () => {
  const shut = new Set();
  const holds = new Holds((name, isStill) => (isStill ? shut.add(name) : shut.delete(name)));
  holds.hold(["one", "two"]);
  holds.hold(["one"]);
  assert.deepEqual([...shut], ["one", "two"]);
  holds.release(["one", "two"]);
  assert.deepEqual([...shut], ["one"]);
  holds.release(["one"]);
  holds.release(["one"]);
  assert.equal(shut.size, 0);
  holds.hold(["one"]);
  assert.deepEqual([...shut], ["one"]);
});

test("how a run looks", () => {
  const nothing = lookOf(null);
  assert.equal(nothing.idle, true);
  assert.equal(nothing.state, "idle");
  assert.equal(nothing.share, null);
  assert.equal(lookOf("").at, null); // no field: nothing is unfolded
  const running = lookOf({ state: "running", line: "Step 3", share: 0.456, preview: "AAAA" });
  assert.equal(running.run, "busy");
  assert.equal(running.share, 46);
  assert.equal(running.preview, "data:image/jpeg;base64,AAAA");
  assert.equal(lookOf({ state: "queued", share: 0 }).share, 0);
  assert.deepEqual([lookOf({ state: "failed", error: "No." }).run, lookOf({ error: "No." }).idle], ["idle", false]);
});

const MODELS = [
  { name: "Big Cat v2", kind: "checkpoint", title: "Model" },
  { name: "cat ears", kind: "lora", title: "LoRA" },
  { name: "dog", kind: "lora", title: "LoRA" },
];

test("kinds are counted, all of them first", () => {
  assert.deepEqual(kindsOf(MODELS, "All"), [
    ["", "All", 3],
    ["checkpoint", "Model", 1],
    ["lora", "LoRA", 2],
  ]);
});

test("a file is found by every word of its name", () => {
  const names = (kind, searched) => found(MODELS, kind, searched).map(({ name }) => name);
  assert.deepEqual(names("", " CAT "), ["Big Cat v2", "cat ears"]);
  assert.deepEqual(names("", "v2 cat"), ["Big Cat v2"]);
  assert.deepEqual(names("lora", "cat"), ["cat ears"]);
  assert.deepEqual(names("lora", ""), ["cat ears", "dog"]);
});

test("what is told of a file", () => {
  const file = { family: "SDXL", size: "6.94 GB", hash: null, hashing: true, used: "" };
  assert.equal(factsOf(file, speaker(WORDS, 0)), "SDXL · 6.94 GB · hash …");
  assert.equal(factsOf({ ...file, hash: "abc", used: "2026" }, speaker(WORDS, 0)), "SDXL · 6.94 GB · abc · used 2026");
  assert.equal(factsOf({ ...file, family: "", hashing: false }, speaker(WORDS, 0)), "6.94 GB");
});

test("a list that Tab came to stays shut until a key opens it", () => {
  const [open, shut, held] = [{}, { isShut: true }, { isShut: true, isHeld: true }];
  for (const key of ["Tab", "Shift", "Control"]) assert.equal(fateOf(key, open), "keep");
  for (const key of ["ArrowDown", "a", "Enter", "Escape"]) assert.equal(fateOf(key, open), "pass");
  assert.equal(fateOf("ArrowDown", shut), "open");
  assert.equal(fateOf("a", shut), "open");
  assert.equal(fateOf("Enter", shut), "only open");
  assert.equal(fateOf("Escape", shut), "keep");
  assert.equal(fateOf("ArrowDown", held), "keep");
});

test("arrows, Home and End lead round the tabs", () => {
  assert.equal(leadsTo("ArrowRight", 2, 3), 0);
  assert.equal(leadsTo("ArrowLeft", 0, 3), 2);
  assert.equal(leadsTo("Home", 1, 3), 0);
  assert.equal(leadsTo("End", 1, 3), 2);
  assert.equal(leadsTo("a", 1, 3), undefined);
});
