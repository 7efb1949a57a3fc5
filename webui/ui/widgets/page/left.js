// Prompts as they were left: a page that loads again, as it does when the program was started again, shows what stood
// there, even where the program could not be told.

const KEPT = "seedprint-left";
const BOXES = ["form_prompt", "form_negative_prompt"];
const TICK = 100; // milliseconds
const PATIENCE = 300; // ticks

const boxOf = (id) => document.querySelector(`#${id} textarea`);

/** What to type: the texts that were left and are shown otherwise. */
export const missing = (left, shown) =>
  Object.entries(left ?? {}).filter(([id, text]) => text && id in shown && shown[id] !== text);

export function rememberPrompts(typeInto) {
  addEventListener("pagehide", () => {
    const texts = BOXES.map((id) => [id, boxOf(id)?.value]).filter(([, text]) => text !== undefined);
    sessionStorage.setItem(KEPT, JSON.stringify(Object.fromEntries(texts)));
  });
  if (performance.getEntriesByType("navigation")[0]?.type !== "reload") return;
  const left = JSON.parse(sessionStorage.getItem(KEPT) ?? "null");
  let waited = 0;
  const waiting = setInterval(() => {
    waited += 1;
    const isThere = document.querySelector("#form_faults [data-begun], #form_faults[data-begun]");
    if (!isThere && waited < PATIENCE) return;
    clearInterval(waiting);
    const shown = Object.fromEntries(BOXES.filter(boxOf).map((id) => [id, boxOf(id).value]));
    for (const [id, text] of missing(left, shown)) typeInto(boxOf(id), text);
  }, TICK);
}
