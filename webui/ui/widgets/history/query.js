// What is asked of the history, and what an answer means. Plain functions of values.

const NAMES = { stars: "rating", trash: "trashed" }; // what filters are called there

/** The address of a page of pictures. */
export function addressOf(wish, more) {
  const query = new URLSearchParams();
  for (const [key, value] of Object.entries({ ...wish, ...more })) {
    if (value || value === 0) query.set(key, value);
  }
  return `page?${query}`;
}

/** The wish once a filter has another value. */
export function withFilter(wish, key, value) {
  if (key !== "size") return { ...wish, [NAMES[key] ?? key]: value };
  const [width, height] = value ? value.split("x") : ["", ""];
  return { ...wish, width, height };
}

/** Without any filter: only the order stays. */
export const withoutFilters = ({ sort }) => ({ sort });

const asks = (wish, besides) => Object.keys(wish).some((key) => !besides.includes(key) && wish[key]);

/** Whether a filter is set, which may be out of sight. */
export const usesFilters = (wish) => asks(wish, ["sort", "words"]);

/** The word for a page without pictures. */
export function emptyWord(wish) {
  if (!asks(wish, ["sort"])) return "nothing";
  return wish.trashed ? "trash_empty" : "nothing_found";
}

/** Whether a first page of `limit` pictures is what is shown already. */
export function isSame(page, items, total, limit) {
  const told = ["id", "rating", "proof"];
  const same = (item, place) => told.every((name) => item[name] === items[place][name]);
  return page.items.length === Math.min(items.length, limit) && page.items.every(same) && page.count === total;
}

/** Those of a page that are not shown yet. */
export function freshOf(items, page) {
  const known = new Set(items.map((item) => item.id));
  return page.items.filter((item) => !known.has(item.id));
}

export const sizeText = (item) => `${item.width} × ${item.height}`;

/** What stands under a thumbnail. */
export function captionOf(item, grid) {
  if (item.kind === "grid") return grid;
  return item.seed === null ? sizeText(item) : String(item.seed);
}

export function nameOf(item) {
  const seed = item.seed === null ? "" : `${item.seed} · `;
  return `${seed}${sizeText(item)} · ${item.prompt}`;
}

/** [width, height] in pixels. */
export const sizeOf = ({ width, height }) => [width || 1, height || 1];

/** The pictures before and after one, nearest first, but itself: at most `many`. */
export function neighbours(items, id, many = 24) {
  const place = items.findIndex((item) => item.id === id);
  const far = (item) => Math.abs(items.indexOf(item) - place);
  const around = items.slice(Math.max(0, place - many), place + many + 1);
  return around
    .filter((item) => item.id !== id && item.width)
    .sort((one, other) => far(one) - far(other))
    .slice(0, many);
}

export const timeText = (made) => made.replace("T", " ").slice(0, 16);

/** Quoted, a few of them. */
export const namesText = (names, most = 6) =>
  names
    .slice(0, most)
    .map((name) => `“${name}”`)
    .join(" ") + (names.length > most ? " …" : "");

export const starsOf = (rating) => "★".repeat(rating);
