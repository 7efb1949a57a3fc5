// The mask's pixels: RGBA, painted where alpha is 255. Functions of arrays of bytes, which they change.

export const PAINT = [16, 185, 129];
const REMEMBERED = 1.2e8; // bytes of undo

/** How many earlier states of a mask of this size are kept. */
export function roomFor(width, height) {
  return Math.max(2, Math.min(20, Math.floor(REMEMBERED / (width * height * 4))));
}

function paint(pixels, alphaOf) {
  for (let at = 0; at < pixels.length; at += 4) {
    const alpha = alphaOf(at);
    [pixels[at], pixels[at + 1], pixels[at + 2]] = PAINT;
    pixels[at + 3] = alpha;
  }
}

export const invert = (pixels) => paint(pixels, (at) => 255 - pixels[at + 3]);

/** What `found` holds comes to the mask `before`, or is taken out of it; both of one size, into `pixels`. */
export function join(pixels, before, found, isErasing) {
  const joined = (at) => Math.max(before[at + 3], found[at + 3]);
  const left = (at) => Math.min(before[at + 3], 255 - found[at + 3]);
  paint(pixels, isErasing ? left : joined);
}

/** A picture becomes a mask: painted by how light it is (Rec. 601), not at all where it is transparent. */
export function fromPicture(pixels) {
  const light = (at) => pixels[at] * 0.299 + pixels[at + 1] * 0.587 + pixels[at + 2] * 0.114;
  paint(pixels, (at) => Math.round((light(at) * pixels[at + 3]) / 255));
}
