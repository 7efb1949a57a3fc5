// Words of a prompt's text: looked for, added, taken out. Plain functions of text; nothing here knows the page.

const LETTER = /[\p{L}\p{N}_]/u;
const SIGN = /[?!.;~&]/;
const GAP = "\0"; // stands where a word was found already

/** Lower case of the same length: places in it are places in the text. */
function lower(text) {
  const low = text.toLowerCase();
  return low.length === text.length ? low : text;
}

/** Where a word stands by itself from `from` on, or -1: "art" is not in "artgerm", "?" not in "??". */
export function find(text, word, from = 0) {
  const low = lower(text);
  const wanted = lower(word);
  const [first, last] = [wanted[0], wanted[wanted.length - 1]];
  const kind = LETTER.test(first) || LETTER.test(last) ? LETTER : SIGN;
  const goesOn = (inside, outside) => kind.test(inside) && kind.test(outside);
  for (let at = low.indexOf(wanted, from); at >= 0; at = low.indexOf(wanted, at + 1)) {
    const before = low[at - 1] || " ";
    const after = low[at + wanted.length] || " ";
    if (!goesOn(first, before) && !goesOn(last, after)) return at;
  }
  return -1;
}

/** Which of the words are in the text; longer ones first, so "side portrait" is not "portrait" as well. */
export function found(text, words) {
  const result = new Set();
  let left = text;
  for (const word of [...words].sort((one, other) => other.length - one.length)) {
    for (let at = find(left, word); at >= 0; at = find(left, word)) {
      result.add(word);
      left = left.slice(0, at) + GAP.repeat(word.length) + left.slice(at + word.length);
    }
  }
  return result;
}

/** At the end of the first phrase, so that it stays in the sentence. */
function addToSentence(text, word) {
  const comma = text.indexOf(",");
  const end = comma < 0 ? text.length : comma;
  const sentence = text.slice(0, end);
  return sentence.trimEnd() + (sentence.trim() ? " " : "") + word + text.slice(end);
}

/**
 * `joint`: ", ", " " (to the end of the first phrase), "lead" (to the beginning) or "sign" (at the caret, without a
 * blank).
 */
export function add(text, word, joint, caret = text.length) {
  if (joint === "sign") return text.slice(0, caret) + word + text.slice(caret);
  const rest = text.trim().replace(/,$/, "");
  if (!rest) return word;
  if (joint === " ") return addToSentence(text, word);
  return joint === "lead" ? `${word} ${text.trim()}` : rest + joint + word;
}

/** [start, end] grown by the weights and brackets round it. */
function withWeights(text, start, end) {
  for (;;) {
    const close = /^\s*(:\s*[\d.]+\s*)?\)/.exec(text.slice(end));
    const open = text[start - 1];
    if (open === "(" && text[start - 2] !== "\\" && close) {
      start -= 1;
      end += close[0].length;
    } else if (open === "[" && text[end] === "]") {
      start -= 1;
      end += 1;
    } else return [start, end];
  }
}

/** Takes out the first place of a word, with the weight round it and the comma it leaves. */
export function remove(text, word) {
  const at = find(text, word);
  if (at < 0) return text;
  const [start, end] = withWeights(text, at, at + word.length);
  const before = text.slice(0, start);
  const after = text.slice(end);
  if (!LETTER.test(word)) return before + after;
  if (/(^|,)\s*$/.test(before) && /^\s*(,|$)/.test(after)) {
    return [before.replace(/,?\s*$/, ""), after.replace(/^\s*,?\s*/, "")].filter(Boolean).join(", ");
  }
  const right = after.trimStart();
  const gap = !right || /^[,.;:)\]]/.test(right) ? "" : " ";
  return (before.trimEnd() + gap + right).trimStart();
}
