// How a picture lies in a frame: a view {x, y, scale} shows the picture's point p at p * scale + (x, y), in pixels of
// the frame. Sizes and points are [across, down]. Plain functions of numbers.

export const LEAST = 0.05;
export const MOST = 16;
const RIM = 48; // pixels of a picture that stay in sight, wherever it is dragged
const LINE = 16; // pixels that a wheel means by a line
const SWIPE = 60; // pixels of a finger that turn the page

export const clamp = (value, low, high) => Math.min(high, Math.max(low, value));

export const middleOf = ([width, height]) => [width / 2, height / 2];

/** The whole picture, as large as the frame has room for. */
export function fit([width, height], [across, down]) {
  const scale = clamp(Math.min(across / width, down / height) || 1, LEAST, MOST);
  return { x: (across - width * scale) / 2, y: (down - height * scale) / 2, scale };
}

/** `factor` times as large; what is at the point stays there. */
export function zoomAt(view, factor, [x, y]) {
  const scale = clamp(view.scale * factor, LEAST, MOST);
  const ratio = scale / view.scale;
  return { x: x - (x - view.x) * ratio, y: y - (y - view.y) * ratio, scale };
}

export const moved = (view, [x, y]) => ({ ...view, x: view.x + x, y: view.y + y });

/** A part of the picture stays in sight. */
export function held(view, [width, height], [across, down]) {
  const [right, bottom] = [width * view.scale, height * view.scale];
  return {
    ...view,
    x: clamp(view.x, Math.min(RIM, across) - right, across - RIM),
    y: clamp(view.y, Math.min(RIM, down) - bottom, down - RIM),
  };
}

/** The picture's point that is shown at a point of the frame. */
export const pictureAt = (view, [x, y]) => [(x - view.x) / view.scale, (y - view.y) / view.scale];

/** How many times larger a turn of the wheel makes it; `isPinch`: two fingers on a pad, which turn little. */
export function wheelFactor({ deltaY, deltaMode = 0, ctrlKey: isPinch = false }) {
  const turned = deltaMode === 1 ? deltaY * LINE : deltaY;
  return Math.exp(-clamp(turned, -480, 480) / (isPinch ? 120 : 480));
}

/** How much of the picture's width lies left of a line at this share of the frame's width: 0 … 1. */
export const splitAt = (view, [width], [across], share) =>
  clamp((share * across - view.x) / (width * view.scale), 0, 1);

const apart = ([a, b]) => Math.hypot(a[0] - b[0], a[1] - b[1]);
const between = ([a, b]) => [(a[0] + b[0]) / 2, (a[1] + b[1]) / 2];

/** The view after two fingers went from one pair of points to another. */
export function pinched(view, before, after) {
  const [from, to] = [between(before), between(after)];
  const zoomed = zoomAt(view, apart(after) / (apart(before) || 1), from);
  return moved(zoomed, [to[0] - from[0], to[1] - from[1]]);
}

/** Which way a finger turned the page: 1 next, -1 previous, 0 not at all. */
export function swiped([x, y]) {
  if (Math.abs(x) < SWIPE || Math.abs(x) < 2 * Math.abs(y)) return 0;
  return x < 0 ? 1 : -1;
}

const PACE = 60; // pixels that a key moves the picture
const KEYS = new Map(
  Object.entries({
    ArrowRight: ["step", 1],
    ArrowLeft: ["step", -1],
    "Shift ArrowRight": ["pan", [-PACE, 0]],
    "Shift ArrowLeft": ["pan", [PACE, 0]],
    ArrowDown: ["pan", [0, -PACE]],
    ArrowUp: ["pan", [0, PACE]],
    "+": ["zoom", 1.25],
    "=": ["zoom", 1.25],
    "-": ["zoom", 0.8],
    0: ["fit"],
    1: ["full size"],
    f: ["screen"],
    F: ["screen"],
  }),
);

/** What a key asks for, or null: ["step", 1], ["zoom", 1.25], ["pan", [x, y]], ["fit"], ["full size"], ["screen"]. */
export function keyed({ key, shiftKey, ctrlKey, metaKey, altKey }) {
  if (ctrlKey || metaKey || altKey) return null;
  return (shiftKey && KEYS.get(`Shift ${key}`)) || KEYS.get(key) || null;
}
