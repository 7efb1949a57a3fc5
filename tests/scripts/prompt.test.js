import assert from "node:assert/strict";
import { test } from "node:test";

import { unwrap, wrap, wrapped } from "../../webui/ui/widgets/composer/prompt_styles.js";
import { move, weigh } from "../../webui/ui/widgets/composer/prompt_weights.js";
import { add, find, found, remove } from "../../webui/ui/widgets/composer/prompt_words.js";

/** One test a row: [function, what it is given, what it gives]. */
function table(rows) {
  for (const [tried, given, expected] of rows) {
    test(`${tried.name} ${JSON.stringify(given)}`, () => assert.deepEqual(tried(...given), expected));
  }
}

table([
  [weigh, ["a red star", 2, 5, 0.1], { text: "a (red:1.1) star", start: 3, end: 6 }],
  [weigh, ["a red star", 2, 10, -0.1], { text: "a (red star:0.9)", start: 3, end: 11 }],
  [weigh, ["a (red:1.1) star", 3, 6, -0.1], { text: "a red star", start: 2, end: 5 }],
  [weigh, ["a (red:1.1) star", 2, 11, 0.1], { text: "a (red:1.2) star", start: 3, end: 6 }],
  [weigh, ["(a b:2) c", 6, 6, 0.1], { text: "(a b:2.1) c", start: 1, end: 4 }],
  [weigh, ["(a:0)", 1, 2, -0.1], { text: "(a:0)", start: 1, end: 2 }],
  [weigh, ["(a:5)", 1, 2, 0.1], { text: "(a:5)", start: 1, end: 2 }],
  [weigh, ["\\(a\\)", 2, 3, 0.1], { text: "\\((a:1.1)\\)", start: 3, end: 4 }],
  [weigh, ["\\(red:1.2)", 2, 5, 0.1], { text: "\\((red:1.1):1.2)", start: 3, end: 6 }], // an escaped bracket is a sign
  [weigh, ["a  b", 2, 2, 0.1], null],
  [weigh, ["猫 狗", 0, 0, 0.1], { text: "(猫:1.1) 狗", start: 1, end: 2 }],
  [move, ["a, (b, c:1.2), d", 5, -1], { text: "(b, c:1.2), a, d", start: 0, end: 10 }],
  [move, ["a, b", 0, 1], { text: "b, a", start: 3, end: 4 }],
  [move, ["a, b", 0, -1], null],
  [move, ["a, b", 4, 1], null],
]);

table([
  [remove, ["a, (big cat:1.3), b", "big cat"], "a, b"],
  [remove, ["cat", "cat"], ""],
  [remove, ["a cat, dog", "cat"], "a, dog"],
  [remove, ["a fat cat sat", "cat"], "a fat sat"],
  [remove, ["concatenate", "cat"], "concatenate"],
  [remove, ["girl !!??boy", "!!??"], "girl boy"],
  [remove, ["a [cat] b", "cat"], "a b"],
  [remove, ["a \\(cat) b", "cat"], "a \\() b"],
  [add, ["", "cat", ", "], "cat"],
  [add, ["a dog, ", "cat", ", "], "a dog, cat"],
  [add, ["a dog, film", "at night", " "], "a dog at night, film"],
  [add, ["a dog ", "at night", " "], "a dog at night"],
  [add, [", film", "a dog", " "], "a dog, film"],
  [add, ["a dog", "a photo of", "lead"], "a photo of a dog"],
  [add, ["girl boy", "??", "sign", 5], "girl ??boy"],
  [find, ["artgerm, art", "art"], 9],
  [find, ["Art", "art"], 0],
  [find, ["what ??", "?"], -1],
  [found, ["side portrait, red", ["portrait", "side portrait", "red", "ed"]], new Set(["side portrait", "red"])],
]);

table([
  [wrap, ["a cat", "a photo of {prompt}, film"], "a photo of a cat, film"],
  [wrap, ["", "a photo of {prompt}, film"], "a photo of, film"],
  [wrap, ["", "{prompt}, film"], "film"],
  [wrap, ["price $& $1", "{prompt}, film"], "price $& $1, film"],
  [wrap, ["a cat", "no slot"], "a cat"],
  [unwrap, ["film", "{prompt}, film"], ""],
  [unwrap, ["oil, a photo of a cat, film, grain", "a photo of {prompt}, film"], "oil, a cat, grain"],
  [wrapped, ["a cat", "{prompt}"], false],
  [wrapped, ["film of a photo", "a photo {prompt}, film"], false],
  [wrapped, ["a photo of a cat, film", "a photo of {prompt}, film"], true],
]);
