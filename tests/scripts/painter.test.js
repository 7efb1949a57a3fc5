import assert from "node:assert/strict";
import { test } from "node:test";

import { PAINT, fromPicture, invert, join, roomFor } from "../../webui/ui/widgets/painter/pixels.js";
import { Clicks } from "../../webui/ui/widgets/painter/select.js";
import { driftOf, limited, shareOf, stepped, turned } from "../../webui/ui/widgets/painter/zoom.js";

const changed = (change, ...pixels) => {
  const bytes = Uint8ClampedArray.from(pixels.flat());
  change(bytes);
  return [...bytes];
};

test("what was painted is not, and the other way round", () => {
  assert.deepEqual(changed(invert, [9, 9, 9, 0], [...PAINT, 200]), [...PAINT, 255, ...PAINT, 55]);
});

test("a picture marks what is white in it and opaque", () => {
  const white = [255, 255, 255, 255];
  const black = [0, 0, 0, 255];
  const clear = [255, 255, 255, 0];
  const red = [255, 0, 0, 255];
  const alphas = changed(fromPicture, white, black, clear, red).filter((_, place) => place % 4 === 3);
  assert.deepEqual(alphas, [255, 0, 0, 76]); // 0.299 of 255
});

test("large masks remember less, yet always two states", () => {
  assert.equal(roomFor(512, 512), 20);
  assert.equal(roomFor(2000, 3000), 5);
  assert.equal(roomFor(9000, 9000), 2);
});

test("zoom goes by steps within 1 and 8", () => {
  assert.equal(stepped(1, 1), 1.5);
  assert.equal(stepped(3.5, 1), 4);
  assert.equal(stepped(3.5, -1), 3);
  assert.equal(stepped(3, -1), 2);
  assert.equal(stepped(8, 1), 8);
  assert.equal(stepped(1, -1), 1);
  assert.equal(limited(0.2), 1);
  assert.equal(limited(99), 8);
});

test("the wheel there and back is where it was", () => {
  assert.ok(Math.abs(turned(turned(2, 120), -120) - 2) < 1e-12);
  assert.ok(turned(2, -120) > 2);
});

test("the point under the pointer stays", () => {
  const before = { left: 10, top: 20, width: 100, height: 50 };
  const share = shareOf(before, 60, 30);
  assert.deepEqual(share, [0.5, 0.2]);
  assert.deepEqual(driftOf(before, share, 60, 30), [0, 0]);
  const twice = { left: 10, top: 20, width: 200, height: 100 };
  assert.deepEqual(driftOf(twice, share, 60, 30), [50, 10]); // so far to scroll
});

test("what is found comes to the mask, or is taken out of it, grey levels too", () => {
  const mask = (...alphas) => Uint8ClampedArray.from(alphas.flatMap((alpha) => [...PAINT, alpha]));
  const alphas = (isErasing) => {
    const joined = mask(0, 0, 0, 0);
    join(joined, mask(0, 100, 255, 255), mask(255, 0, 255, 100), isErasing);
    return [...joined].filter((_, place) => place % 4 === 3);
  };
  assert.deepEqual(alphas(false), [255, 100, 255, 255]);
  assert.deepEqual(alphas(true), [0, 100, 0, 155]);
});

test("clicks are on one thing until it ends, and Shift takes away from what is selected", () => {
  const clicks = new Clicks();
  clicks.keep(clicks.with([1, 2], false), "empty", false);
  const two = clicks.with([3, 4], true);
  assert.deepEqual(two, [
    [1, 2, true],
    [3, 4, false],
  ]);
  clicks.keep(two, "one", true);
  assert.deepEqual([clicks.before, clicks.isErasing], ["empty", false]);
  clicks.undo();
  assert.deepEqual(clicks.with([5, 6], false).length, 2);
  clicks.undo();
  assert.deepEqual(clicks.with([5, 6], false), [[5, 6, true]]);
});

test("a thing whose first click takes away is the thing that is taken away", () => {
  const clicks = new Clicks();
  assert.deepEqual(clicks.with([1, 2], true), [[1, 2, true]]);
  clicks.keep([[1, 2, true]], "mask", true);
  assert.deepEqual(clicks.with([3, 4], true)[1], [3, 4, true]);
  assert.deepEqual(clicks.with([3, 4], false)[1], [3, 4, false]);
  assert.equal(clicks.isErasing, true);
});
