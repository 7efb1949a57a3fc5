import assert from "node:assert/strict";
import { test } from "node:test";
import { toldOf } from "../../webui/ui/widgets/page/notify.js";

const done = { run: "idle", state: "done", line: "4 images", error: "" };

test("a run that ended while nobody looked is told once", () => {
  assert.equal(toldOf("busy", done, true), "4 images");
  assert.equal(toldOf("idle", done, true), null);
  assert.equal(toldOf("busy", done, false), null);
});

test("a failure is told with its reason, a cancelled run not at all", () => {
  assert.equal(
    toldOf("busy", { run: "idle", state: "failed", line: "Failed.", error: "No room." }, true),
    "Failed. No room.",
  );
  assert.equal(toldOf("busy", { run: "idle", state: "cancelled", line: "Cancelled", error: "" }, true), null);
  assert.equal(toldOf("busy", { run: "busy", state: "running", line: "Step 3", error: "" }, true), null);
});
