// A curve: lines over one axis, every point with its figure.
import { drawn } from "../shared/drawing.js";

const WIDE = 560;
const HIGH = 230;
const EDGE = { left: 20, right: 24, top: 26, bottom: 34 };

/** Where the points of lines stand: each line as [x, y] in pixels, by its own values from 0 to `top`. */
export function placed(xs, values, top) {
  const across = WIDE - EDGE.left - EDGE.right;
  const down = HIGH - EDGE.top - EDGE.bottom;
  return values.map((value, place) => [
    EDGE.left + (across * place) / Math.max(1, xs.length - 1),
    EDGE.top + down * (1 - value / top),
  ]);
}

export function curveOf({ x, under, lines }) {
  const top = Math.max(1, ...lines.flatMap(({ values }) => values));
  const foot = HIGH - EDGE.bottom;
  const ticks = placed(
    x,
    x.map(() => 0),
    1,
  ).map(([left], place) => drawn("text", { x: left, y: foot + 16, "text-anchor": "middle", text: x[place] }));
  const shown = lines.map(({ name, values }, number) => {
    const points = placed(x, values, top);
    const at = points.map((point) => point.join(",")).join(" ");
    const dots = points.flatMap(([left, high], place) => [
      drawn("circle", { cx: left, cy: high, r: 3.5 }),
      drawn("text", { x: left, y: high - 8, "text-anchor": "middle", text: values[place].toFixed(2) }),
    ]);
    return drawn(
      "g",
      { class: `line line-${number}` },
      drawn("polyline", { points: at }),
      ...dots,
      drawn("title", { text: name }),
    );
  });
  const axis = drawn("line", { class: "axis", x1: EDGE.left, x2: WIDE - EDGE.right, y1: foot, y2: foot });
  const told = drawn("text", { class: "under", x: WIDE / 2, y: HIGH - 2, "text-anchor": "middle", text: under });
  const name = [under, ...lines.map((line) => line.name)].join(", ");
  return drawn(
    "svg",
    { viewBox: `0 0 ${WIDE} ${HIGH}`, role: "img", "aria-label": name },
    axis,
    ...ticks,
    ...shown,
    told,
  );
}
