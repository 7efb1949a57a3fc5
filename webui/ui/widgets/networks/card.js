// One network as a card: its picture, what it is, and what it writes.
import { make, makeButton } from "../shared/dom.js";

function pictureOf(card, say) {
  const inside = card.picture
    ? make("img", { src: card.picture, alt: "", loading: "lazy", decoding: "async" })
    : make("span", { class: "blank", text: say("no_picture") });
  return make("span", { class: "picture" }, inside);
}

function hintOf(card, say) {
  if (card.kind === "lora") return say("add_lora", { tag: card.tag });
  return card.kind === "embedding" ? say("add_word", { word: card.tag }) : say("use_model", { name: card.name });
}

function chipsOf(card, say, acts) {
  const chip = (word, title, act) => makeButton({ class: "chip", text: word, title, onclick: act });
  const words = card.words.map((word) => chip(word, say("add_word", { word }), (event) => acts.word(word, event)));
  if (card.negative) {
    const title = say("add_negative", { word: card.negative });
    words.push(chip(`− ${card.negative}`, title, (event) => acts.negative(card.negative, event)));
  }
  const label = say("words", { name: card.name });
  return words.length ? make("div", { class: "chips", role: "group", "aria-label": label }, ...words) : null;
}

/** `why`: the reason that it cannot be used, or "". `acts`: {use, word, negative, make}, each given the event. */
export function cardOf(card, why, say, acts) {
  const use = makeButton(
    {
      class: "use",
      "data-hint": why || hintOf(card, say),
      onclick: (event) => acts.use(card, event),
    },
    pictureOf(card, say),
    make("span", { class: "name", text: card.name }),
  );
  const canMake = !card.picture && !card.problem;
  const makes = { class: "make", text: say("make"), title: say("make_of", { name: card.name }) };
  return make(
    "article",
    { class: "card", "data-id": card.id, "data-kind": card.kind, "data-unfit": Boolean(why) },
    use,
    make("div", { class: "facts", text: [say(`one_${card.kind}`), card.title, card.size].filter(Boolean).join(" · ") }),
    why ? make("div", { class: "why", text: why }) : null,
    card.about ? make("div", { class: "about", title: card.about, text: card.about }) : null,
    chipsOf(card, say, acts),
    canMake ? makeButton({ ...makes, onclick: () => acts.make(card) }) : null,
  );
}
