import assert from "node:assert/strict";
import { test } from "node:test";

import {
  LEAST,
  MOST,
  fit,
  held,
  keyed,
  middleOf,
  pictureAt,
  pinched,
  splitAt,
  swiped,
  wheelFactor,
  zoomAt,
} from "../../webui/ui/widgets/shared/view.js";

const near = (found, wanted) => assert.ok(Math.abs(found - wanted) < 1e-9, `${found} is not ${wanted}`);
const nearly = (found, wanted) => wanted.forEach((value, place) => near(found[place], value));
/** Where a point of the picture is shown. */
const shownAt = ({ x, y, scale }, [across, down]) => [across * scale + x, down * scale + y];

test("a whole picture fills the frame in one direction and is in the middle of the other", () => {
  assert.deepEqual(fit([100, 50], [400, 400]), { x: 0, y: 100, scale: 4 });
  assert.deepEqual(fit([1000, 2000], [400, 400]), { x: 100, y: 0, scale: 0.2 });
  assert.equal(fit([64, 64], [6400, 6400]).scale, MOST);
});

test("a frame without room, as on a closed tab, is no reason to fail", () => {
  const view = fit([100, 100], [0, 0]);
  assert.ok(view.scale > 0 && Number.isFinite(view.x) && Number.isFinite(view.y));
});

test("what is under the pointer stays there, however often it is zoomed", () => {
  let view = fit([768, 512], [900, 700]);
  const pointer = [123, 456];
  const before = pictureAt(view, pointer);
  for (const factor of [1.3, 1.7, 0.6, 2.1]) {
    view = zoomAt(view, factor, pointer);
    nearly(pictureAt(view, pointer), before);
  }
});

test("at the end of the scale nothing drifts either", () => {
  const view = { x: 10, y: 20, scale: MOST };
  assert.deepEqual(zoomAt(view, 4, [300, 200]), view);
  assert.equal(zoomAt({ ...view, scale: LEAST }, 0.1, [0, 0]).scale, LEAST);
});

test("a picture cannot be dragged out of sight", () => {
  const size = [200, 100];
  const frame = [400, 300];
  for (const [x, y] of [
    [9999, 9999],
    [-9999, -9999],
    [0, 0],
  ]) {
    const view = held({ x, y, scale: 2 }, size, frame);
    const [left, top] = shownAt(view, [0, 0]);
    const [right, bottom] = shownAt(view, size);
    assert.ok(left < frame[0] && top < frame[1] && right > 0 && bottom > 0);
  }
  assert.deepEqual(held({ x: 5, y: 6, scale: 1 }, size, frame), { x: 5, y: 6, scale: 1 });
});

test("frame to picture is the way back from picture to frame", () => {
  const view = { x: -30, y: 12, scale: 2.5 };
  nearly(pictureAt(view, shownAt(view, [40, 70])), [40, 70]);
  assert.deepEqual(middleOf([400, 300]), [200, 150]);
});

test("the wheel zooms in when it is turned away, and there and back is where it was", () => {
  assert.ok(wheelFactor({ deltaY: -120 }) > 1);
  near(wheelFactor({ deltaY: -120 }) * wheelFactor({ deltaY: 120 }), 1);
  near(wheelFactor({ deltaY: 3, deltaMode: 1 }), wheelFactor({ deltaY: 48 }));
  assert.ok(wheelFactor({ deltaY: -10, ctrlKey: true }) > wheelFactor({ deltaY: -10 }));
  assert.ok(wheelFactor({ deltaY: -1e9 }) < 4); // one turn never leaps
});

test("the line between two pictures keeps its place in the frame, whatever the zoom", () => {
  const frame = [400, 300];
  near(splitAt({ x: 0, y: 0, scale: 2 }, [200, 100], frame, 0.5), 0.5);
  near(splitAt({ x: 100, y: 0, scale: 1 }, [200, 100], frame, 0.5), 0.5);
  near(splitAt({ x: 0, y: 0, scale: 4 }, [200, 100], frame, 0.5), 0.25);
  assert.equal(splitAt({ x: 100, y: 0, scale: 1 }, [200, 100], frame, 0), 0);
  assert.equal(splitAt({ x: 100, y: 0, scale: 1 }, [200, 100], frame, 1), 1);
});

test("two fingers hold the points they are on", () => {
  const view = { x: 10, y: 20, scale: 1 };
  const before = [
    [100, 100],
    [200, 100],
  ];
  const after = [
    [90, 140],
    [290, 140],
  ];
  const pinch = pinched(view, before, after);
  near(pinch.scale, 2);
  before.forEach((finger, place) => nearly(shownAt(pinch, pictureAt(view, finger)), after[place]));
});

test("a finger turns the page only across", () => {
  assert.deepEqual(
    [
      [-90, 10],
      [90, -10],
      [-30, 0],
      [-90, 80],
    ].map(swiped),
    [1, -1, 0, 0],
  );
});

test("what keys ask for; those of the browser stay its own", () => {
  assert.deepEqual(keyed({ key: "ArrowRight" }), ["step", 1]);
  assert.deepEqual(keyed({ key: "ArrowLeft" }), ["step", -1]);
  assert.equal(keyed({ key: "ArrowLeft", shiftKey: true })[0], "pan");
  assert.deepEqual(keyed({ key: "f" }), ["screen"]);
  assert.deepEqual(keyed({ key: "1" }), ["full size"]);
  assert.equal(keyed({ key: "+", ctrlKey: true }), null);
  assert.equal(keyed({ key: "a" }), null);
  assert.equal(keyed({ key: "toString" }), null);
});
