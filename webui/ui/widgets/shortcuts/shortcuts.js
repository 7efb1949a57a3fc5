import { finder, make, makeButton, onPage } from "../shared/dom.js";
import { speaker } from "../shared/words.js";
import { SHORTCUTS, asksForList, capsOf } from "./table.js";

const WRITING = "input:not([type=checkbox], [type=range], [type=radio]), textarea, select, [contenteditable=true]";

function caps(keys) {
  const pressed = keys.map((one) =>
    make("span", { class: "together" }, ...capsOf(one).map((text) => make("kbd", { text }))),
  );
  return make("dt", {}, ...pressed);
}

function groupOf([where, rows], say) {
  const lines = rows.flatMap(([keys, does]) => [caps(keys), make("dd", { text: say(does) })]);
  return make("section", {}, make("h3", { text: say(where) }), make("dl", {}, ...lines));
}

export function mount({ element }, { words }) {
  const say = speaker(words);
  const dialog = finder(element)(".keys");
  const close = makeButton({ class: "close", text: say("close"), onclick: () => dialog.close() });
  const title = make("h2", { id: "keys_title", text: say("title") });
  dialog.replaceChildren(title, ...SHORTCUTS.map((group) => groupOf(group, say)), close);
  dialog.onclick = (event) => {
    if (event.target === dialog) dialog.close();
  };
  onPage(element, "keydown", (event) => {
    const isWriting = Boolean(event.target.closest?.(WRITING));
    if (!asksForList(event, isWriting) || document.querySelector("dialog[open]")) return;
    event.preventDefault();
    dialog.showModal();
  });
}
