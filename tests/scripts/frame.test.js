import assert from "node:assert/strict";
import { test } from "node:test";
import { pageIn } from "../../webui/ui/widgets/page/frame.js";
import { shownAgain } from "../../webui/ui/widgets/page/pictures.js";
import { lookOf } from "../../webui/ui/widgets/live/view.js";

test("an address names a page, or none", () => {
  assert.equal(pageIn("#history"), "history");
  for (const other of ["", "#", "#a b", "#<img>", "history"]) assert.equal(pageIn(other), "");
});

test("of what was painted the mask is shown by its address", () => {
  const painted = { source: "ab", url: "/input/ab", mask: "page/1/mask.png" };
  assert.deepEqual(shownAgain(painted), {
    source: "ab",
    url: "/input/ab",
    mask_url: "/gradio_api/file=page/1/mask.png",
  });
  assert.deepEqual(shownAgain({ path: "a.png", url: "/a.png" }), { path: "a.png", url: "/a.png" });
});

test("only what was stopped can go on", () => {
  const states = ["idle", "queued", "running", "done", "cancelled", "failed"];
  assert.deepEqual(
    states.filter((state) => lookOf({ state }).canGoOn),
    ["cancelled", "failed"],
  );
});
