import assert from "node:assert/strict";
import test from "node:test";

import { Player, frameAt } from "../../webui/ui/widgets/animation/player.js";

test("frames follow each other at their rate, over and over", () => {
  assert.deepEqual(
    [0, 99, 100, 250, 300].map((milliseconds) => frameAt(milliseconds, 10, 3)),
    [0, 0, 1, 2, 0],
  );
  assert.equal(frameAt(100, 10, 3, 2), 0);
  assert.equal(frameAt(100, 10, 0), 0);
});

test("a player plays from where it stands until it is stopped", () => {
  const shown = [];
  let next;
  globalThis.requestAnimationFrame = (act) => (next = act);
  const player = new Player((place) => shown.push(place));
  player.take(3, 10);
  player.go(1);
  player.play(1000);
  for (const now of [1050, 1100, 1250]) next(now);
  player.pause();
  next(1400);
  assert.deepEqual(shown, [1, 2, 0]);
  player.take(1, 10);
  assert.equal(player.place, 0);
});
