// Weights and order of a prompt's phrases, as the keys of its box change them. Plain functions of text and caret.

const LETTER = /[\p{L}\p{N}_'-]/u;
const GROUP = /\(([^()]*):\s*[\d.]+\)/; // A1111's "(words:1.1)"
const MOST = 5;

/** The words of the weighted group at the caret, else the word there. */
function atCaret(text, caret) {
  const holds = (group) => group.index <= caret && caret <= group.index + group[0].length;
  const group = [...text.matchAll(new RegExp(GROUP, "g"))].find(holds);
  if (group) return [group.index + 1, group.index + 1 + group[1].length];
  let [start, end] = [caret, caret];
  while (start > 0 && LETTER.test(text[start - 1])) start -= 1;
  while (end < text.length && LETTER.test(text[end])) end += 1;
  return [start, end];
}

/** A selection without the blanks at its ends, and without the weight when it holds a whole weighted group. */
function trimmed(text, start, end) {
  const whole = new RegExp(`^\\s*${GROUP.source}\\s*$`).exec(text.slice(start, end));
  if (whole) {
    start += text.slice(start, end).indexOf("(") + 1;
    end = start + whole[1].length;
  }
  while (start < end && /\s/.test(text[start])) start += 1;
  while (end > start && /\s/.test(text[end - 1])) end -= 1;
  return [start, end];
}

const between = (low, value, high) => Math.min(high, Math.max(low, value));

/**
 * The text with the weight of the selection, or of what is at the caret, changed by `step`: {text, start, end}, what
 * is selected then. Null where there is nothing to weigh.
 */
export function weigh(text, from, to, step) {
  const [start, end] = trimmed(text, ...(from === to ? atCaret(text, from) : [from, to]));
  if (start === end) return null;
  const words = text.slice(start, end);
  const close = /^:\s*([\d.]+)\)/.exec(text.slice(end));
  const inside = close && text[start - 1] === "(" && text[start - 2] !== "\\";
  const before = inside ? Number(close[1]) : 1;
  const weight = between(0, Number((before + step).toFixed(2)), MOST);
  const left = text.slice(0, inside ? start - 1 : start);
  const right = text.slice(inside ? end + close[0].length : end);
  const [open, shut] = weight === 1 ? ["", ""] : ["(", `:${weight})`];
  const first = left.length + open.length;
  return { text: left + open + words + shut + right, start: first, end: first + words.length };
}

/** The text's phrases, and which of them holds the caret. Commas within brackets part nothing. */
function phrasesAt(text, caret) {
  const phrases = [""];
  let [depth, chosen, place] = [0, 0, 0];
  for (const character of text) {
    if ("([{<".includes(character)) depth += 1;
    if (")]}>".includes(character)) depth = Math.max(0, depth - 1);
    if (character === "," && depth === 0) phrases.push("");
    else phrases[phrases.length - 1] += character;
    place += character.length;
    if (place <= caret) chosen = phrases.length - 1;
  }
  return [phrases.map((one) => one.trim()), chosen];
}

/** The phrase at the caret changes places with its neighbour: {text, start, end}, or null at the end. */
export function move(text, caret, step) {
  const [phrases, chosen] = phrasesAt(text, caret);
  const other = chosen + step;
  if (other < 0 || other >= phrases.length) return null;
  [phrases[chosen], phrases[other]] = [phrases[other], phrases[chosen]];
  const start = phrases.slice(0, other).reduce((sum, one) => sum + one.length + 2, 0);
  return { text: phrases.join(", "), start, end: start + phrases[other].length };
}
