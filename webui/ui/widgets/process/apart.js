// A picture taken apart: drawn at a time of a schedule, and in ten moments of each schedule.
import { make } from "../shared/dom.js";
import {
  SCHEDULES,
  STEPS,
  alphasBarOf,
  betasOf,
  noiseOf,
  noised,
  randomOf,
  signalToNoise,
  steppedOf,
} from "./diffusion.js";

const SIDE = 256; // pixels, of the large one at most
const SMALL = 72;
const MOMENTS = 10;
const SEED = 1;

const BARS = new Map(SCHEDULES.map((name) => [name, alphasBarOf(betasOf(name))]));

/** Values -1 … 1 of a picture, drawn so that its longer side has so many pixels. */
function pixelsOf(image, side) {
  const scale = side / Math.max(image.naturalWidth, image.naturalHeight);
  const width = Math.max(1, Math.round(image.naturalWidth * scale));
  const height = Math.max(1, Math.round(image.naturalHeight * scale));
  const canvas = make("canvas", { width, height });
  const context = canvas.getContext("2d");
  context.drawImage(image, 0, 0, width, height);
  const { data } = context.getImageData(0, 0, width, height);
  const values = new Float32Array(width * height * 3);
  for (let place = 0; place < width * height; place += 1) {
    for (let colour = 0; colour < 3; colour += 1) values[3 * place + colour] = data[4 * place + colour] / 127.5 - 1;
  }
  return { values, noise: noiseOf(values.length, randomOf(SEED)), width, height };
}

function draw(canvas, { values, noise, width, height }, alphaBar) {
  Object.assign(canvas, { width, height });
  const picture = new ImageData(width, height);
  const mixed = noised(values, noise, alphaBar);
  for (let place = 0; place < width * height; place += 1) {
    for (let colour = 0; colour < 3; colour += 1) {
      picture.data[4 * place + colour] = (mixed[3 * place + colour] + 1) * 127.5; // clamped there
    }
    picture.data[4 * place + 3] = 255;
  }
  canvas.getContext("2d").putImageData(picture, 0, 0);
}

/** Of a moment in a strip. */
const timeOf = (place) => Math.round((place * STEPS) / (MOMENTS - 1));

const figure = (value) => (value >= 0.01 && value < 100 ? value.toFixed(3) : value.toExponential(2));

export class Apart {
  /** `onOwn`: a file of the person's own is shown. */
  constructor(find, say, onOwn) {
    Object.assign(this, { find, say, onOwn });
    this.large = null;
    find(".schedule").append(...SCHEDULES.map((value) => make("option", { value, text: say(value) })));
    find(".schedule").value = "scaled";
    find(".schedule").onchange = () => this.#draw();
    find(".time").oninput = () => this.#draw();
    find(".count").textContent = say("count_steps");
    find(".count").hidden = false;
    find(".whole").setAttribute("role", "img");
    find(".count").onclick = () => this.#count();
    find(".file").onchange = ({ target }) => this.#open(target.files[0]);
    this.#strips();
    this.#tell();
  }

  get #time() {
    return Number(this.find(".time").value);
  }

  /** Of the picture at this address. */
  show(url) {
    const image = new Image();
    image.onload = () => {
      this.find(".fault").textContent = "";
      this.large = pixelsOf(image, SIDE);
      this.small = pixelsOf(image, SMALL);
      URL.revokeObjectURL(url); // of a file of one's own
      this.#draw();
      this.#drawStrips();
    };
    image.onerror = () => (this.find(".fault").textContent = this.say("unreadable"));
    image.src = url;
  }

  #open(file) {
    if (!file) return;
    this.show(URL.createObjectURL(file));
    this.onOwn();
  }

  #strips() {
    const rows = SCHEDULES.map((name) => {
      const cells = Array.from({ length: MOMENTS }, (_, place) => this.#cell(BARS.get(name), place));
      return make("div", { class: "strip", "data-schedule": name }, make("span", { text: this.say(name) }), ...cells);
    });
    this.find(".strips").replaceChildren(...rows);
  }

  #cell(bars, place) {
    const time = timeOf(place);
    const label = `t = ${time}, ᾱ = ${figure(bars[time])}`;
    return make("canvas", { width: SMALL, height: SMALL, role: "img", title: label, "aria-label": label });
  }

  #drawStrips() {
    for (const row of this.find(".strips").children) {
      const bars = BARS.get(row.dataset.schedule);
      [...row.querySelectorAll("canvas")].forEach((canvas, place) => draw(canvas, this.small, bars[timeOf(place)]));
    }
  }

  #tell() {
    const bar = BARS.get(this.find(".schedule").value)[this.#time];
    const ratio = bar === 1 ? "∞" : figure(signalToNoise(bar));
    const told = this.say("left", { bar: figure(bar), ratio });
    this.find(".left").textContent = `t = ${this.#time} · ${told}`;
    this.find(".whole").setAttribute("aria-label", this.find(".left").textContent);
    this.find(".counted").textContent = "";
    return bar;
  }

  #draw() {
    const bar = this.#tell();
    if (this.large) draw(this.find(".whole"), this.large, bar);
  }

  #count() {
    if (!this.small) {
      this.find(".counted").textContent = this.say("choose");
      return;
    }
    const betas = betasOf(this.find(".schedule").value);
    const { apart, deviation } = steppedOf(this.small.values, betas, this.#time, randomOf(SEED));
    const told = { t: this.#time, apart: apart.toExponential(1), spread: deviation.toFixed(3) };
    this.find(".counted").textContent = this.say("steps_apart", told);
  }
}
