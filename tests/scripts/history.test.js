import assert from "node:assert/strict";
import { test } from "node:test";

import {
  addressOf,
  captionOf,
  emptyWord,
  freshOf,
  isSame,
  nameOf,
  namesText,
  neighbours,
  usesFilters,
  withFilter,
  withoutFilters,
} from "../../webui/ui/widgets/history/query.js";
import { Selection } from "../../webui/ui/widgets/history/selection.js";
import { talker } from "../../webui/ui/widgets/history/talk.js";
import { progressOf, tallyOf } from "../../webui/ui/widgets/history/verification.js";

const items = (...ids) => ids.map((id) => ({ id, rating: 0 }));
const NEWEST = { sort: "newest" };

test("a page is asked for with what is set, and a place of 0", () => {
  assert.equal(addressOf({ ...NEWEST, words: "", model: "a b" }, { after: 0 }), "page?sort=newest&model=a+b&after=0");
});

test("filters go by the names the history knows", () => {
  assert.deepEqual(withFilter(NEWEST, "stars", "3"), { sort: "newest", rating: "3" });
  assert.deepEqual(withFilter(NEWEST, "trash", "1"), { sort: "newest", trashed: "1" });
  assert.deepEqual(withFilter(NEWEST, "size", "512x768"), { sort: "newest", width: "512", height: "768" });
  assert.deepEqual(withFilter({ ...NEWEST, width: "512" }, "size", ""), { sort: "newest", width: "", height: "" });
  assert.deepEqual(withoutFilters({ sort: "rating", words: "cat", model: "a" }), { sort: "rating" });
});

test("why there is nothing", () => {
  assert.equal(emptyWord({ ...NEWEST, model: "" }), "nothing");
  assert.equal(emptyWord({ ...NEWEST, words: "cat" }), "nothing_found");
  assert.equal(emptyWord({ ...NEWEST, trashed: "1" }), "trash_empty");
});

test("filters out of sight are marked, words in sight are not", () => {
  assert.equal(usesFilters({ ...NEWEST, words: "cat", model: "" }), false);
  assert.equal(usesFilters({ ...NEWEST, model: "a" }), true);
});

test("a first page that is shown already", () => {
  const page = (found, count) => ({ items: found, count });
  assert.equal(isSame(page(items("a", "b"), 3), items("a", "b", "c"), 3, 2), true);
  assert.equal(isSame(page(items("b", "a"), 3), items("a", "b", "c"), 3, 2), false);
  assert.equal(isSame(page(items("a"), 1), items("a", "b"), 2, 2), false);
  assert.equal(isSame(page(items("a", "b"), 4), items("a", "b", "c"), 3, 2), false);
  assert.equal(isSame(page([{ id: "a", rating: 5 }], 1), items("a"), 1, 2), false);
});

test("a badge that changed is a change", () => {
  const shown = [{ id: "a", rating: 0, proof: "not_yet" }];
  const page = { items: [{ ...shown[0], proof: "identical" }], count: 1 };
  assert.equal(isSame(page, shown, 1, 2), false);
});

test("the pictures around one are offered, nearest first, but none that cannot be read", () => {
  const shown = ["a", "b", "c", "d", "e"].map((id) => ({ id, width: id === "d" ? 0 : 64 }));
  assert.deepEqual(
    neighbours(shown, "c", 3).map(({ id }) => id),
    ["b", "a", "e"],
  );
  assert.equal(namesText(["a", "b", "c"], 2), "“a” “b” …");
});

test("a picture that came twice is shown once", () => {
  assert.deepEqual(freshOf(items("a", "b"), { items: items("b", "c") }), items("c"));
});

test("what stands under and about a picture", () => {
  const picture = { kind: "image", seed: 7, width: 512, height: 768, prompt: "a cat" };
  assert.equal(captionOf(picture, "grid"), "7");
  assert.equal(captionOf({ ...picture, kind: "grid" }, "grid"), "grid");
  assert.equal(captionOf({ ...picture, seed: null }, "grid"), "512 × 768");
  assert.equal(nameOf(picture), "7 · 512 × 768 · a cat");
  assert.equal(nameOf({ ...picture, seed: null }), "512 × 768 · a cat");
});

const idsOf = (selection, shown) => selection.of(shown).map(({ id }) => id);

test("a range goes from the picture picked before, either way", () => {
  const shown = items("a", "b", "c", "d");
  const selection = new Selection();
  selection.pick(shown, 2, true, true); // nothing before: itself
  assert.deepEqual(idsOf(selection, shown), ["c"]);
  selection.pick(shown, 0, true, true);
  assert.deepEqual(idsOf(selection, shown), ["a", "b", "c"]);
  selection.pick(shown, 1, false, false);
  assert.deepEqual(idsOf(selection, shown), ["a", "c"]);
  selection.pick(shown, 2, false, true);
  assert.deepEqual(idsOf(selection, shown), ["a"]);
});

test("selected pictures that are gone count no more, and no range begins there", () => {
  const selection = new Selection();
  selection.all(items("a", "b", "c"));
  selection.pick(items("a", "b", "c"), 2, true, false);
  selection.keep(items("x", "c", "y"));
  assert.equal(selection.size, 1);
  selection.pick(items("x", "c", "y"), 0, true, true);
  assert.deepEqual(idsOf(selection, items("x", "c", "y")), ["x", "c"]);
  selection.clear();
  assert.equal(selection.size, 0);
});

const answering = (ok, data) => async () => ({ ok, json: async () => data });

test("the program's answers", async () => {
  const asked = [];
  const talk = talker("failed", async (...given) => {
    asked.push(given);
    return { ok: true, json: async () => ({ count: 1 }) };
  });
  assert.deepEqual(await talk("facets"), { count: 1 });
  await talk("act", { action: "rate" });
  assert.deepEqual(asked[0], ["/history/facets", {}]);
  assert.equal(asked[1][1].method, "POST");
  assert.equal(asked[1][1].body, '{"action":"rate"}');
});

test("what goes wrong is said by the program where it can", async () => {
  const gone = async () => {
    throw new TypeError("network");
  };
  const broken = async () => ({
    ok: false,
    json: async () => {
      throw new SyntaxError("no JSON");
    },
  });
  await assert.rejects(talker("failed", answering(false, { detail: "Too many." }))("x"), { message: "Too many." });
  await assert.rejects(talker("failed", answering(false, { detail: [{ loc: "x" }] }))("x"), { message: "failed" });
  await assert.rejects(talker("failed", gone)("x"), { message: "failed" });
  await assert.rejects(talker("failed", broken)("x"), { message: "failed" });
});

test("a verification is looked at until all its results are shown", () => {
  const told = (state, done, results, share = 0.5) => ({ state, done, results: Array(results).fill({}), share });
  assert.deepEqual(progressOf(told("running", 3, 1), 2), { isOver: false, seen: 3, share: 0.5, next: 400 });
  assert.deepEqual(progressOf(told("running", 9, 1), 2), { isOver: false, seen: 3, share: 0.5, next: 0 });
  assert.deepEqual(progressOf(told("done", 9, 1), 2), { isOver: true, seen: 3, share: 1, next: 0 });
  assert.deepEqual(progressOf(told("cancelled", 3, 1), 2), { isOver: true, seen: 3, share: 1, next: null });
  assert.deepEqual(tallyOf({ identical: 2, differs: 0, cannot: 1 }), [
    ["identical", 2],
    ["cannot", 1],
  ]);
});
