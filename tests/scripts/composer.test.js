import assert from "node:assert/strict";
import { test } from "node:test";

import { changeBy } from "../../webui/ui/widgets/composer/keys.js";
import { groupsOf, litOf } from "../../webui/ui/widgets/composer/toggles.js";

const word = (english, chinese) => ({ word: english, name_zh: chinese, does: `${english} it is`, does_zh: chinese });
const COLOURS = {
  name: ["Colour", "颜色"],
  does: ["Paints it.", "上色。"],
  strong: true,
  for_builtin: true,
  single: true,
  joint: " ",
  words: [word("red", "红"), word("blue", "蓝")],
};
const SIGNS = {
  ...COLOURS,
  strong: false,
  for_builtin: false,
  single: false,
  joint: "sign",
  words: [word("??", "问")],
};
const FILM = { name: ["Film", "电影"], prompt: "{prompt}, film", negative_prompt: "drawing" };
const LIBRARY = {
  categories: [COLOURS, SIGNS],
  styles: [{ name: ["Photography", "摄影"], does: ["Wraps.", "包。"], styles: [FILM] }],
};

const togglesOf = (kind, language = 0) => groupsOf(LIBRARY, kind, language)[0].toggles;

test("each kind has its own rows, named in the page's language", () => {
  const names = (kind, language) => groupsOf(LIBRARY, kind, language).map((group) => group.name);
  assert.deepEqual(names("builtin", 0), ["Colour"]);
  assert.deepEqual(names("styles", 1), ["摄影"]);
  assert.deepEqual(
    togglesOf("builtin", 1).map(({ label }) => label),
    ["红", "蓝"],
  );
  assert.deepEqual(
    togglesOf("words").map(({ label }) => label),
    ["??"],
  );
});

test("of a category of single words one stays", () => {
  const [, blue] = togglesOf("builtin");
  assert.deepEqual(blue.press(false, { prompt: "red star, film" }, null), { prompt: "star blue, film" });
  assert.deepEqual(blue.press(true, { prompt: "a blue star" }, null), { prompt: "a star" });
});

test("a sign goes where the caret is", () => {
  const [sign] = togglesOf("words");
  assert.equal(sign.atCaret, true);
  assert.deepEqual(sign.press(false, { prompt: "girl boy" }, 5), { prompt: "girl ??boy" });
});

test("a style wraps both boxes", () => {
  const [film] = togglesOf("styles");
  const boxes = { prompt: "a cat", negative_prompt: "" };
  assert.equal(film.press(false, boxes, null).prompt, "a cat, film");
  assert.deepEqual(Object.keys(film.press(false, boxes, null)), ["prompt", "negative_prompt"]);
});

test("what the prompt holds is lit", () => {
  const toggles = [...togglesOf("builtin"), ...togglesOf("styles")];
  const labels = (prompt) => [...litOf(toggles, prompt)].map(({ label }) => label);
  assert.deepEqual(labels("a (red:1.2) star, film"), ["red", "Film"]);
  assert.deepEqual(labels("a coloured star"), []);
});

test("keys that weigh and move", () => {
  const box = { value: "red star, moon", selectionStart: 0, selectionEnd: 3 };
  const press = (key, held) => changeBy({ key, ctrlKey: false, metaKey: false, altKey: false, ...held }, box);
  assert.equal(press("ArrowUp", { ctrlKey: true }).text, "(red:1.1) star, moon");
  assert.equal(press("ArrowDown", { metaKey: true }).text, "(red:0.9) star, moon");
  assert.equal(press("ArrowRight", { altKey: true }).text, "moon, red star");
  assert.equal(press("ArrowLeft", { altKey: true }), null);
  assert.equal(press("ArrowUp", {}), undefined);
  assert.equal(press("ArrowUp", { ctrlKey: true, altKey: true }), undefined);
  assert.equal(press("a", { ctrlKey: true }), undefined);
});
