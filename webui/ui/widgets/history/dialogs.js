// A question, and two pictures compared. Each fills a dialog that lies in the page already.
import { make, makeButton } from "../shared/dom.js";
import { nameOf } from "./query.js";

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

/** A slider uncovers one picture over the other. */
export function compareIn(dialog, pair, tell) {
  const limits = { min: "0", max: "100", step: "0.1", value: "50" };
  const slider = make("input", { type: "range", ...limits, "aria-label": tell("divider") });
  const images = pair.map((item) => make("img", { src: item.url, alt: item.prompt, draggable: "false" }));
  const stage = make("div", { class: "pair" }, ...images, make("span", { class: "cut" }), slider);
  const names = pair.map((item) => make("span", { text: nameOf(item), title: nameOf(item) }));
  slider.oninput = () => stage.style.setProperty("--split", `${slider.value}%`);
  dialog.replaceChildren(
    makeButton({ class: "close", text: tell("close"), onclick: () => dialog.close() }),
    stage,
    make("div", { class: "names" }, ...names),
  );
  dialog.showModal();
  slider.focus();
}

/** A click beside a dialog closes it. */
export function closeBeside(dialog) {
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog) dialog.close();
  });
}
