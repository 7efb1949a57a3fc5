// How large the sheet is shown: 1 is the whole picture. Plain functions of numbers.

const STEPS = [1, 1.5, 2, 3, 4, 6, 8];
const MOST = STEPS.at(-1);

export const limited = (zoom) => Math.min(MOST, Math.max(1, zoom));

/** The next step in (`way` 1) or out (-1). */
export function stepped(zoom, way) {
  if (way > 0) return STEPS.find((step) => step > zoom + 0.01) ?? MOST;
  return STEPS.findLast((step) => step < zoom - 0.01) ?? 1;
}

/** By a turn of the wheel. */
export const turned = (zoom, delta) => zoom * Math.exp(-delta / 400);

/** Where in a box a point of the window is, as shares of its sides. */
export const shareOf = (box, x, y) => [(x - box.left) / box.width, (y - box.top) / box.height];

/** How far to scroll so that the same share of the box, as it is now, is under the point again. */
export const driftOf = (box, [shareX, shareY], x, y) => [
  box.left + shareX * box.width - x,
  box.top + shareY * box.height - y,
];
