import assert from "node:assert/strict";
import { test } from "node:test";
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
