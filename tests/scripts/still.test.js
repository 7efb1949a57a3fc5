import assert from "node:assert/strict";
import test from "node:test";

import { keepStill } from "../../webui/ui/widgets/page/still.js";

const PLAIN = [Object.prototype, Array.prototype, null]; // what svelte's $state wraps: everything else it leaves alone

test("events are left alone by what watches plain lists", () => {
  const events = [
    { id: 3, targets: [[7, "click"]] },
    { id: 4, targets: [] },
  ];
  const config = { dependencies: [...events], components: [{ id: 7 }] };
  keepStill(config);
  assert.ok(!PLAIN.includes(Object.getPrototypeOf(config.dependencies)));
  assert.ok(Array.isArray(config.dependencies));
  assert.deepEqual([...config.dependencies], events);
  assert.equal(config.dependencies[0], events[0]);
  const with7 = config.dependencies.filter((one) => one.targets.find(([id]) => id === 7)).map((one) => one.id);
  assert.deepEqual([...with7], [3]);
  assert.equal(Object.getPrototypeOf(config.components), Array.prototype); // these are watched: they change
});

test("a page without a form is left as it is", () => {
  assert.doesNotThrow(() => keepStill(undefined));
  const config = {};
  keepStill(config);
  assert.deepEqual(config, {});
});
