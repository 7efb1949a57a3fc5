// Words of both languages: {key: [English, Chinese]}, with {name} for what is filled in.

/** 0 for English, 1 for Chinese, as head.js chose. */
export const language = () => (globalThis.seedprintLanguage === "zh" ? 1 : 0);

export function fill(text, values = {}) {
  let filled = text;
  for (const [name, value] of Object.entries(values)) {
    filled = filled.replaceAll(`{${name}}`, () => String(value));
  }
  return filled;
}

/** A function of (key, values) that says it in the page's language. */
export const speaker =
  (words, place = language()) =>
  (key, values) =>
    fill(words[key][place], values);
