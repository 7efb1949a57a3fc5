// Where the blocks of a network stand; it knows no document.

export const WIDE = 780;
export const BOX = { width: 264, height: 42 };
const DOWN = 62; // from one row to the next
const EDGE = 6;
const STEP = 16; // a level deeper stands so much further in
const CHAIN = { columns: 3, width: 242, across: 262 };

/** Blocks of a U-Net: those that make it small on the left, those that make it large again on the right, joined by
 * what is handed over beside the middle. Gives boxes {block, x, y, width}, ways and skips [from, to] by their places. */
export function asU(blocks) {
  const left = blocks.filter(({ name }) => name === "conv_in" || name.startsWith("down"));
  const right = blocks.filter(({ name }) => name === "conv_out" || name.startsWith("up"));
  const middle = blocks.filter((block) => !left.includes(block) && !right.includes(block));
  const deepest = Math.max(left.length, right.length);
  const at = (row, isRight) => ({
    x: isRight ? WIDE - EDGE - BOX.width - row * STEP : EDGE + row * STEP,
    y: EDGE + row * DOWN,
    width: BOX.width,
  });
  const boxes = [
    ...left.map((block, row) => ({ block, ...at(row, false) })),
    ...middle.map((block, place) => ({
      block,
      x: (WIDE - BOX.width) / 2,
      y: EDGE + (deepest + place) * DOWN,
      width: BOX.width,
    })),
    ...right.map((block, place) => ({ block, ...at(right.length - 1 - place, true) })),
  ];
  const ways = boxes.slice(1).map((_, place) => [place, place + 1]);
  const levels = Math.min(left.length, right.length);
  const skips = Array.from({ length: levels - 1 }, (_, row) => [row + 1, boxes.length - 2 - row]);
  return { boxes, ways, skips, height: 2 * EDGE + (deepest + middle.length - 1) * DOWN + BOX.height };
}

/** One block after the other, in rows. */
export function asChain(blocks) {
  const boxes = blocks.map((block, place) => ({
    block,
    x: EDGE + (place % CHAIN.columns) * CHAIN.across,
    y: EDGE + Math.floor(place / CHAIN.columns) * DOWN,
    width: CHAIN.width,
  }));
  const rows = Math.ceil(blocks.length / CHAIN.columns);
  const ways = boxes.slice(1).map((_, place) => [place, place + 1]);
  return { boxes, ways, skips: [], height: 2 * EDGE + (rows - 1) * DOWN + BOX.height };
}

/** A line from one box to another: sideways where they stand in one row, else from foot to head or up again. */
export function lineOf(from, to) {
  const middle = ({ x, width }) => x + width / 2;
  if (from.y === to.y) {
    const isRight = to.x > from.x;
    return [
      isRight ? from.x + from.width : from.x,
      from.y + BOX.height / 2,
      isRight ? to.x : to.x + to.width,
      to.y + BOX.height / 2,
    ];
  }
  const isDown = to.y > from.y;
  return [middle(from), isDown ? from.y + BOX.height : from.y, middle(to), isDown ? to.y : to.y + BOX.height];
}

/** 1234 -> "1.2 K". */
export function counted(number) {
  for (const [size, letter] of [
    [1e9, "G"],
    [1e6, "M"],
    [1e3, "K"],
  ]) {
    if (number >= size) return `${(number / size).toPrecision(3)} ${letter}`;
  }
  return String(number);
}
