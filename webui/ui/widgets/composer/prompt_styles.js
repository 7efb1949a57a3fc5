// Styles: a template put round a prompt's words, and taken off again. Plain functions of text.

const SLOT = "{prompt}";

const tidy = (text) => text.replace(/,(\s*,)+/g, ",").replace(/^[\s,]+|[\s,]+$/g, "");

/** What stands before and after the words. */
function pieces(template) {
  const at = template.indexOf(SLOT);
  if (at < 0) return [tidy(template), ""];
  return [template.slice(0, at), template.slice(at + SLOT.length)].map(tidy);
}

/** Where both pieces are in the text: [start, end, start, end], or null. */
function places(text, template) {
  const [before, after] = pieces(template);
  const first = before ? text.indexOf(before) : 0;
  const last = after ? text.lastIndexOf(after) : text.length;
  const isThere = (before || after) && first >= 0 && last >= first + before.length;
  return isThere ? [first, first + before.length, last, last + after.length] : null;
}

export const wrapped = (text, template) => places(text, template) !== null;

export function wrap(text, template) {
  if (!template.includes(SLOT)) return text;
  const words = text.trim();
  const filled = template.split(SLOT).join(words);
  return tidy(words ? filled : filled.replace(/\s+,/g, ","));
}

export function unwrap(text, template) {
  const at = places(text, template);
  if (!at) return text;
  return tidy(text.slice(0, at[0]) + text.slice(at[1], at[2]) + text.slice(at[3])).replace(/ {2,}/g, " ");
}
