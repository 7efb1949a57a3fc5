import assert from "node:assert/strict";
import { test } from "node:test";
import { asChain, asU, counted, lineOf } from "../../webui/ui/widgets/anatomy/layout.js";
import { placed } from "../../webui/ui/widgets/experiments/curve.js";
import * as diffusion from "../../webui/ui/widgets/process/diffusion.js";

const endOf = (schedule) => diffusion.alphasBarOf(diffusion.betasOf(schedule)).at(-1);
const near = (found, wanted, share) => assert.ok(Math.abs(found / wanted - 1) < share, `${found}, not ${wanted}`);

// Lin, Liu, Li, Yang 2024, "Common Diffusion Noise Schedules and Sample Steps Are Flawed", table 1: √ᾱ and SNR at T
test("each schedule ends where it is published to end", () => {
  near(Math.sqrt(endOf("linear")), 0.006353, 1e-3);
  near(diffusion.signalToNoise(endOf("linear")), 4.035993e-5, 1e-4);
  near(Math.sqrt(endOf("scaled")), 0.068265, 1e-4);
  near(diffusion.signalToNoise(endOf("scaled")), 0.004682, 1e-3);
  near(diffusion.signalToNoise(endOf("cosine")), 2.428735e-9, 1e-3);
});

test("noise is normal and of its seed", () => {
  const noise = diffusion.noiseOf(200001, diffusion.randomOf(7));
  const mean = noise.reduce((sum, one) => sum + one, 0) / noise.length;
  const square = noise.reduce((sum, one) => sum + one * one, 0) / noise.length;
  const fourth = noise.reduce((sum, one) => sum + one ** 4, 0) / noise.length;
  assert.ok(Math.abs(mean) < 0.01 && Math.abs(square - 1) < 0.01 && Math.abs(fourth - 3) < 0.1);
  assert.deepEqual(diffusion.noiseOf(9, diffusion.randomOf(7)), noise.slice(0, 9).with(8, noise[8]));
  assert.notDeepEqual(diffusion.noiseOf(9, diffusion.randomOf(8)), noise.slice(0, 9));
});

test("at the beginning there is the picture, at the end next to nothing of it", () => {
  const picture = Float32Array.from([-1, -0.5, 0, 0.5, 1]);
  const noise = diffusion.noiseOf(5, diffusion.randomOf(1));
  assert.deepEqual([...diffusion.noised(picture, noise, 1)], [...picture]);
  const end = diffusion.noised(picture, noise, endOf("cosine"));
  end.forEach((one, place) => assert.ok(Math.abs(one - noise[place]) < 1e-3));
});

test("one step is as many single steps, up to rounding", () => {
  const picture = Float32Array.from({ length: 3000 }, (_, place) => Math.sin(place));
  for (const time of [1, 50, 700]) {
    const { apart, deviation } = diffusion.steppedOf(picture, diffusion.betasOf("scaled"), time, diffusion.randomOf(3));
    assert.ok(apart < 1e-5, `${apart} at ${time}`);
    assert.ok(Math.abs(deviation - 1) < 0.05, `${deviation} at ${time}`);
  }
  const none = diffusion.steppedOf(picture, diffusion.betasOf("scaled"), 0, diffusion.randomOf(3));
  assert.equal(none.apart, 0);
});

test("a curve goes from its foot to its top and over the whole width", () => {
  const points = placed(["1", "2", "3"], [0, 0.5, 1], 1);
  assert.ok(points[0][0] < points[1][0] && points[1][0] - points[0][0] === points[2][0] - points[1][0]);
  assert.ok(points[0][1] > points[1][1] && points[0][1] - points[1][1] === points[1][1] - points[2][1]);
  assert.equal(placed(["1"], [1], 1).length, 1);
});

const named = (...names) => names.map((name) => ({ name }));

test("a U-Net stands as a U: what makes smaller faces what makes larger", () => {
  const blocks = named(
    "conv_in",
    "down_blocks.0",
    "down_blocks.1",
    "mid_block",
    "up_blocks.0",
    "up_blocks.1",
    "conv_out",
  );
  const { boxes, ways, skips, height } = asU(blocks);
  const box = (name) => boxes.find(({ block }) => block.name === name);
  for (const [down, up] of [
    ["conv_in", "conv_out"],
    ["down_blocks.0", "up_blocks.1"],
    ["down_blocks.1", "up_blocks.0"],
  ]) {
    assert.equal(box(down).y, box(up).y);
    assert.ok(box(down).x + box(down).width < box(up).x);
  }
  assert.ok(box("mid_block").y > box("down_blocks.1").y && box("mid_block").y < height);
  assert.equal(ways.length, 6);
  const joined = skips.map((pair) => pair.map((place) => boxes[place].block.name));
  assert.deepEqual(joined, [
    ["down_blocks.0", "up_blocks.1"],
    ["down_blocks.1", "up_blocks.0"],
  ]);
});

test("a chain goes on in the next row, and lines join edges that face each other", () => {
  const { boxes } = asChain(named("a", "b", "c", "d"));
  assert.ok(boxes[3].y > boxes[0].y && boxes[3].x === boxes[0].x);
  const [x1, y1, x2, y2] = lineOf(boxes[0], boxes[1]);
  assert.deepEqual([x1, y1 - y2, x2], [boxes[0].x + boxes[0].width, 0, boxes[1].x]);
  assert.ok(lineOf(boxes[0], boxes[3])[1] < lineOf(boxes[0], boxes[3])[3]);
});

test("parameters are counted as people do", () => {
  assert.deepEqual([7, 1608704, 2567463684].map(counted), ["7", "1.61 M", "2.57 G"]);
});
