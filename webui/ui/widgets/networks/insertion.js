// What a card writes into a prompt, as {start, end, text}: the text goes in the place of what stands there. Plain
// functions of text.

const isTight = (letter) => letter !== "" && !/\s/.test(letter);

/** A LoRA's tag, apart from the words round it. */
export function tagAt(prompt, caret, tag) {
  const before = isTight(prompt.slice(0, caret).at(-1) ?? "") ? " " : "";
  const after = isTight(prompt.charAt(caret)) && prompt.charAt(caret) !== "," ? " " : "";
  return { start: caret, end: caret, text: before + tag + after };
}

/** A word or a phrase, apart from the phrases round it. */
export function wordAt(prompt, caret, word) {
  const left = prompt.slice(0, caret);
  const right = prompt.slice(caret);
  const isFirst = /(^|[,\n(])\s*$/.test(left);
  const before = isFirst ? (/,$/.test(left) ? " " : "") : ", ";
  const after = !right.trim() || /^\s*[,\n)]/.test(right) ? "" : ", ";
  return {
    start: caret,
    end: caret,
    text: (/\s$/.test(left) && before === ", " ? before.trimStart() : before) + word + after,
  };
}

const TAG = /<\s*(?:lora|lyco)\s*:([^:<>]*)(?::[^<>]*)?>/gi;
const bare = (name) => name.trim().normalize("NFC").replaceAll("\\", "").toLowerCase();

/** [name, start, end] of every LoRA's tag. */
const tagsIn = (prompt) => [...prompt.matchAll(TAG)].map((tag) => [bare(tag[1]), tag.index, tag.index + tag[0].length]);

/** The names of the LoRAs that a prompt asks for, as `isNamed` compares them. */
export const lorasIn = (prompt) => new Set(tagsIn(prompt).map(([name]) => name));

export const isNamed = (names, name) => names.has(bare(name));

/** Takes the first tag of that name away, with the space before it; null where there is none. */
export function tagAway(prompt, name) {
  const tag = tagsIn(prompt).find(([one]) => one === bare(name));
  if (!tag) return null;
  const [, at, end] = tag;
  const start = at > 0 && prompt[at - 1] === " " ? at - 1 : at;
  return { start, end: start === at && prompt[end] === " " ? end + 1 : end, text: "" };
}
