import assert from "node:assert/strict";
import { test } from "node:test";

import { isNamed, lorasIn, tagAt, tagAway, wordAt } from "../../webui/ui/widgets/networks/insertion.js";
import { found, foldersOf, kindsOf, misfit, ordered, placeAfter } from "../../webui/ui/widgets/networks/listing.js";
import { makePicture } from "../../webui/ui/widgets/networks/making.js";

const card = (name, more = {}) => ({
  name,
  kind: "lora",
  folder: "",
  family: "sd1",
  title: "SD 1.x",
  about: "",
  words: [],
  fits: ["sd1"],
  used: 0,
  problem: "",
  ...more,
});
const CARDS = [
  card("Hat", { folder: "loras/people", words: ["straw hat"], used: 3 }),
  card("ink", { folder: "loras", used: 9 }),
  card("anime", { kind: "checkpoint" }),
  card("edges", { kind: "controlnet", folder: "a", problem: "Not yet.", used: 99 }),
];
const names = (cards) => cards.map(({ name }) => name);
const put = (prompt, { start, end, text }) => prompt.slice(0, start) + text + prompt.slice(end);

test("kinds and folders are counted, what lies deeper with what it lies in", () => {
  assert.deepEqual(kindsOf(CARDS), [
    ["", 4],
    ["lora", 2],
    ["checkpoint", 1],
    ["controlnet", 1],
  ]);
  assert.deepEqual(
    foldersOf(CARDS).map(({ path, name, depth, count }) => [path, name, depth, count]),
    [
      ["a", "a", 0, 1],
      ["loras", "loras", 0, 2],
      ["loras/people", "people", 1, 1],
    ],
  );
});

test("cards are found by kind, folder and every word of their texts", () => {
  const all = { kind: "", folder: "", searched: "" };
  assert.deepEqual(names(found(CARDS, { ...all, kind: "lora" })), ["Hat", "ink"]);
  assert.deepEqual(names(found(CARDS, { ...all, folder: "loras" })), ["Hat", "ink"]);
  assert.deepEqual(names(found(CARDS, { ...all, folder: "lora" })), []);
  assert.deepEqual(names(found(CARDS, { ...all, searched: " STRAW people " })), ["Hat"]);
});

test("the latest first, and what cannot be used last", () => {
  assert.deepEqual(names(ordered(CARDS, "use")), ["ink", "Hat", "anime", "edges"]);
  assert.deepEqual(names(ordered(CARDS, "name")), ["Hat", "ink", "anime", "edges"]);
});

test("why a network does not suit the chosen model", () => {
  const xl = card("grand", { kind: "checkpoint", family: "sdxl", title: "SDXL" });
  assert.deepEqual(misfit(CARDS[0], xl), ["other_family", { theirs: "SD 1.x", family: "SDXL" }]);
  assert.deepEqual(misfit(card("any", { family: "unknown", fits: [] }), xl)[0], "not_taken");
  assert.equal(misfit(CARDS[0], CARDS[2]), null);
  assert.equal(misfit(CARDS[2], xl), null);
  assert.equal(misfit(CARDS[3], xl), null);
  assert.equal(misfit(CARDS[0], undefined), null);
});

test("arrows lead from card to card and not out of them", () => {
  assert.equal(placeAfter("ArrowRight", 0, 5, 3), 1);
  assert.equal(placeAfter("ArrowDown", 1, 5, 3), 4);
  assert.equal(placeAfter("ArrowDown", 2, 5, 3), null);
  assert.equal(placeAfter("ArrowLeft", 0, 5, 3), null);
  assert.equal(placeAfter("End", 0, 5, 3), 4);
  assert.equal(placeAfter("Home", 4, 5, 3), 0);
  assert.equal(placeAfter("a", 4, 5, 3), null);
});

test("a tag stands apart from the words round it", () => {
  const at = (prompt, caret) => put(prompt, tagAt(prompt, caret, "<lora:a:1>"));
  assert.equal(at("", 0), "<lora:a:1>");
  assert.equal(at("a cat", 5), "a cat <lora:a:1>");
  assert.equal(at("a cat", 2), "a <lora:a:1> cat");
  assert.equal(at("a cat, red", 5), "a cat <lora:a:1>, red");
});

test("a word stands apart from the phrases round it", () => {
  const at = (prompt, caret) => put(prompt, wordAt(prompt, caret, "hat"));
  assert.equal(at("", 0), "hat");
  assert.equal(at("a cat", 5), "a cat, hat");
  assert.equal(at("a cat,", 6), "a cat, hat");
  assert.equal(at("a cat, ", 7), "a cat, hat");
  assert.equal(at("a cat, red", 5), "a cat, hat, red");
  assert.equal(at("red, cat", 5), "red, hat, cat");
  assert.equal(at("a\n", 2), "a\nhat");
});

test("tags are known however they are written, and taken away with one space", () => {
  const prompt = "a <lora:Ink Wash:0.5:1>, b <LYCO: b\\(1\\) :2> <lora:c:";
  assert.deepEqual([...lorasIn(prompt)], ["ink wash", "b(1)"]);
  assert.ok(isNamed(lorasIn(prompt), "ink WASH"));
  assert.ok(!isNamed(lorasIn(prompt), "ink"));
  assert.equal(put("a <lora:b:1> c", tagAway("a <lora:b:1> c", "B")), "a c");
  assert.equal(put("<lora:b:1> c", tagAway("<lora:b:1> c", "b")), "c");
  assert.equal(tagAway("a b", "b"), null);
});

test("a picture is waited for until it is there, and what went wrong is told", async () => {
  const say = (key) => key;
  const told = [];
  const asked = [];
  const talk = (answers) => async (path, body) => {
    asked.push([path, body]);
    return body ? { job: "7" } : answers.shift();
  };
  const parts = { say, told: (text) => told.push(text), isThere: () => true, pause: async () => {} };
  const states = [{ state: "queued" }, { state: "running" }, { state: "done", picture: "/p" }];
  assert.equal(await makePicture("ab", "anime", { ...parts, talk: talk(states) }), "/p");
  assert.deepEqual(told, ["queued", "queued", "running"]);
  assert.deepEqual(asked.slice(0, 2), [
    ["/ab/picture", { model: "anime" }],
    ["/ab/picture/7", undefined],
  ]);
  const failed = { ...parts, talk: talk([{ state: "failed", error: "No." }]) };
  await assert.rejects(makePicture("ab", "", failed), /No\./);
  const cancelled = { ...parts, talk: talk([{ state: "cancelled", error: "" }]) };
  await assert.rejects(makePicture("ab", "", cancelled), /cancelled/);
});
