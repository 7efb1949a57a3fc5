// The canvas that is painted on, and what it remembers.
import { PAINT, fromPicture, invert, join, roomFor } from "./pixels.js";
import { shareOf } from "./zoom.js";

const INK = `rgb(${PAINT.join(" ")})`;

function sheetOf({ width, height }) {
  const sheet = document.createElement("canvas");
  Object.assign(sheet, { width, height });
  return [sheet, sheet.getContext("2d")];
}

export class Canvas {
  constructor(mask) {
    this.mask = mask;
    this.pen = mask.getContext("2d", { willReadFrequently: true });
    this.past = [];
  }

  /** An empty mask of this size, nothing to undo. */
  reset(width, height) {
    Object.assign(this.mask, { width, height });
    this.past = [];
    this.pen.clearRect(0, 0, width, height);
  }

  remember() {
    const { width, height } = this.mask;
    this.past.push(this.pixels());
    while (this.past.length > roomFor(width, height)) this.past.shift();
  }

  pixels() {
    return this.pen.getImageData(0, 0, this.mask.width, this.mask.height);
  }

  /** Whether there was anything to undo. */
  undo() {
    const before = this.past.pop();
    if (before) this.pen.putImageData(before, 0, 0);
    return Boolean(before);
  }

  clear() {
    this.remember();
    this.pen.clearRect(0, 0, this.mask.width, this.mask.height);
  }

  invert() {
    this.remember();
    const data = this.pixels();
    invert(data.data);
    this.pen.putImageData(data, 0, 0);
  }

  /** A picture becomes the mask, drawn to its size. */
  take(picture) {
    this.pen.putImageData(this.#asMask(picture), 0, 0);
  }

  /** What a picture shows comes to the mask `before`, or is taken out of it. */
  join(before, picture, isErasing) {
    const data = this.#asMask(picture);
    join(data.data, before.data, data.data, isErasing);
    this.pen.putImageData(data, 0, 0);
  }

  #asMask(picture) {
    const { width, height } = this.mask;
    const [, pen] = sheetOf(this.mask);
    pen.drawImage(picture, 0, 0, width, height);
    const data = pen.getImageData(0, 0, width, height);
    fromPicture(data.data);
    return data;
  }

  /** Where on the mask a pointer is, in the picture's pixels. */
  placeOf(event) {
    const [right, down] = shareOf(this.mask.getBoundingClientRect(), event.clientX, event.clientY);
    return [right * this.mask.width, down * this.mask.height];
  }

  /** `width`: in pixels of the window. `strength`: 0, nothing is left there, to 1; in between a grey of the mask, the
   * same however often the brush passes and whatever was there. */
  stroke(from, to, width, strength) {
    const pen = this.pen;
    pen.strokeStyle = INK;
    pen.lineCap = pen.lineJoin = "round";
    pen.lineWidth = (width * this.mask.width) / this.mask.getBoundingClientRect().width;
    pen.beginPath();
    pen.moveTo(from[0], from[1]);
    pen.lineTo(to[0] + 0.01, to[1]); // a line of no length draws nothing
    pen.globalCompositeOperation = "destination-out";
    pen.stroke();
    pen.globalCompositeOperation = "lighter";
    pen.globalAlpha = strength;
    pen.stroke();
    pen.globalCompositeOperation = "source-over";
    pen.globalAlpha = 1;
  }

  /** The mask as it is sent: a PNG, white where painted on black. */
  async white() {
    const [sheet, pen] = sheetOf(this.mask);
    const fill = (how, colour) => {
      pen.globalCompositeOperation = how;
      pen.fillStyle = colour;
      pen.fillRect(0, 0, sheet.width, sheet.height);
    };
    pen.drawImage(this.mask, 0, 0);
    fill("source-in", "#fff");
    fill("destination-over", "#000");
    const blob = await new Promise((done) => sheet.toBlob(done, "image/png"));
    return new File([blob], "mask.png", { type: "image/png" });
  }
}
