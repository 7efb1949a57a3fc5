import assert from "node:assert/strict";
import { test } from "node:test";
import { timesOf } from "../../webui/ui/widgets/canvas/film.js";

const of = (seed, width) => ({ seed, size: [width, width] });

test("a larger one of a picture that stands beside it is told by how much", () => {
  const film = [of("7", 128), of("7", 256), of("7", 192), of("8", 512)];
  assert.deepEqual(
    film.map((item) => timesOf(film, item)),
    ["", "×2", "×1.5", ""],
  );
});

test("nothing is told of what is not known", () => {
  const bare = { seed: "7" };
  assert.equal(timesOf([bare, of("7", 256)], bare), "");
  assert.equal(timesOf([of(undefined, 64), of(undefined, 128)], of(undefined, 128)), "");
});
