// A question, and two pictures compared. Each fills a dialog that lies in the page already.
import { make, makeButton } from "../shared/dom.js";
import { viewer } from "../shared/viewer.js";
import { nameOf, sizeOf } from "./query.js";

/** `go(value)` when it is agreed to. Options: `box` to type in, `isDanger`. */
export function askIn(dialog, text, go, { tell, box = null, isDanger = false }) {
  const close = makeButton({ class: "close", text: tell("close"), onclick: () => dialog.close() });
  const agree = make("button", { type: "submit", class: isDanger ? "danger" : "", text: "OK" });
  const form = make(
    "form",
    { method: "dialog", onsubmit: () => go(box?.value ?? "") },
    make("label", {}, make("span", { text }), box),
    make("div", { class: "row" }, close, agree),
  );
  dialog.replaceChildren(form);
  dialog.showModal();
  box?.focus();
}

/** A line to drag uncovers one picture over the other; both are zoomed as one. */
export function compareIn(dialog, pair, tell) {
  const frame = make("div", { class: "frame" });
  const names = pair.map((item) => make("span", { text: nameOf(item), title: nameOf(item) }));
  dialog.replaceChildren(
    makeButton({
      class: "close",
      text: "×",
      title: tell("close"),
      "aria-label": tell("close"),
      onclick: () => dialog.close(),
    }),
    frame,
    make("div", { class: "names" }, ...names),
  );
  dialog.showModal();
  const shown = viewer(frame, { tell });
  shown.compare(...pair.map((item) => ({ url: item.url, size: sizeOf(item), text: item.prompt })));
  shown.focus();
}

/** A click beside a dialog closes it. */
export function closeBeside(dialog) {
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog) dialog.close();
  });
}
