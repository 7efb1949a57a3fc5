// Which cards are shown, in which order, and which suit the chosen model. Plain functions of what the program tells.

export const KINDS = ["lora", "embedding", "checkpoint", "controlnet", "reference"];

/** [kind, how many] of every kind there is, all of them first under the kind "". */
export function kindsOf(cards) {
  const counted = KINDS.map((kind) => [kind, cards.filter((card) => card.kind === kind).length]);
  return [["", cards.length], ...counted.filter(([, count]) => count)];
}

const isBelow = (folder, above) => !above || folder === above || folder.startsWith(`${above}/`);

/** {path, name, depth, count} of every folder that holds cards or such folders, parents first; the whole is "". */
export function foldersOf(cards) {
  const paths = new Set();
  for (const { folder } of cards) {
    const steps = folder.split("/").filter(Boolean);
    steps.forEach((_, place) => paths.add(steps.slice(0, place + 1).join("/")));
  }
  const order = [...paths].map((path) => path.split("/"));
  order.sort((a, b) => a.join("\0").localeCompare(b.join("\0")));
  return order.map((steps) => {
    const path = steps.join("/");
    const count = cards.filter((card) => isBelow(card.folder, path)).length;
    return { path, name: steps.at(-1), depth: steps.length - 1, count };
  });
}

const textOf = ({ name, folder, title, about, words }) =>
  [name, folder, title, about, ...words].join("\n").toLowerCase();

/** Those of a kind and a folder ("" for any) that hold every word that is searched for. */
export function found(cards, { kind, folder, searched }) {
  const wanted = searched.trim().toLowerCase().split(/\s+/).filter(Boolean);
  return cards.filter((card) => {
    if ((kind && card.kind !== kind) || !isBelow(card.folder, folder)) return false;
    const text = textOf(card);
    return wanted.every((word) => text.includes(word));
  });
}

const isOff = (card) => Number(Boolean(card.problem));

/** `by`: "use", the latest first, or "name", as they come; what cannot be used at the end. */
export function ordered(cards, by) {
  const use = (a, b) => (by === "use" ? b.used - a.used : 0);
  return cards.toSorted((a, b) => isOff(a) - isOff(b) || use(a, b));
}

/** [key, values] of why a card does not suit the model's card, or null. What the program tells of itself goes first. */
export function misfit(card, model) {
  if (card.problem || !model || !["lora", "embedding"].includes(card.kind)) return null;
  if (card.fits.includes(model.family)) return null;
  const isOther = card.family !== "unknown" && card.family !== model.family;
  return [isOther ? "other_family" : "not_taken", { theirs: card.title, family: model.title }];
}

const STEPS = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowDown: [0, 1], ArrowUp: [0, -1] };

/** The card that a key leads to, of so many in so many columns; null where it leads nowhere. */
export function placeAfter(key, place, count, columns) {
  if (key === "Home") return 0;
  if (key === "End") return count - 1;
  if (!(key in STEPS)) return null;
  const [across, down] = STEPS[key];
  const next = place + across + down * columns;
  return next < 0 || next >= count ? null : next;
}
