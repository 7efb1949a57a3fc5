// Whether a picture was made again, as a sign and words: colour alone says nothing.
import { make } from "./dom.js";

export const VERDICTS = ["not_yet", "identical", "differs", "cannot"];
const SIGNS = { not_yet: "○", identical: "✓", differs: "≠", cannot: "–", checking: "…" };

/** `verdict`: one of `VERDICTS`, or "checking". */
export function badgeOf(verdict, text) {
  const sign = make("span", { class: "sign", text: SIGNS[verdict], "aria-hidden": "true" });
  return make("span", { class: "proved", "data-verdict": verdict }, sign, make("span", { class: "said", text }));
}
