// What the composer offers, as toggles: {label, title, text (searched), press(lit, boxes)}, and `isLit(prompt)` of many.
import { add, found, remove } from "./prompt_words.js";
import { unwrap, wrap, wrapped } from "./prompt_styles.js";

/** A toggle of a word. `press` gives the prompt as it is then. `caret`: where in it, or null. */
export function wordToggle(category, word, language) {
  const press = (lit, { prompt }, caret) => {
    if (lit) return { prompt: remove(prompt, word.word) };
    const rest = category.single ? category.words.reduce((text, other) => remove(text, other.word), prompt) : prompt;
    return { prompt: add(rest, word.word, category.joint, caret ?? rest.length) };
  };
  return {
    label: language ? word.name_zh : word.word,
    title: language ? `${word.word} · ${word.does_zh}` : word.does,
    text: `${word.word} ${word.name_zh}`.toLowerCase(),
    word: word.word,
    atCaret: category.joint === "sign",
    press,
  };
}

export function styleToggle(style, language) {
  const press = (lit, boxes) => {
    const change = lit ? unwrap : wrap;
    const changed = { prompt: change(boxes.prompt, style.prompt) };
    const negative = style.negative_prompt;
    return negative ? { ...changed, negative_prompt: change(boxes.negative_prompt, negative) } : changed;
  };
  return {
    label: style.name[language],
    title: style.prompt,
    text: style.name.join(" ").toLowerCase(),
    template: style.prompt,
    atCaret: false,
    press,
  };
}

/** The rows of a kind: "builtin" and "words" of the library's categories, "styles". */
export function groupsOf(library, kind, language) {
  if (kind === "styles") {
    return library.styles.map((row) => {
      const toggles = row.styles.map((style) => styleToggle(style, language));
      return { name: row.name[language], does: row.does[language], strong: false, toggles };
    });
  }
  const categories = library.categories.filter((one) => one.for_builtin === (kind === "builtin"));
  return categories.map((category) => {
    const toggles = category.words.map((word) => wordToggle(category, word, language));
    return { name: category.name[language], does: category.does[language], strong: category.strong, toggles };
  });
}

/** Those of the toggles that the prompt holds. */
export function litOf(toggles, prompt) {
  const words = toggles.filter((one) => one.word).map((one) => one.word);
  const there = found(prompt, words);
  return new Set(toggles.filter((one) => (one.word ? there.has(one.word) : wrapped(prompt, one.template))));
}
