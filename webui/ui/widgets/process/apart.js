// A picture taken apart: drawn at a time of a schedule, and in ten moments of each schedule.
import { make } from "../shared/dom.js";
import { language } from "../shared/words.js";
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

function mix(canvas, { values, noise, width, height }, alphaBar) {
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

/** Of a file that was cut short an image shows what there is, and black below. */
async function isWhole(file) {
  try {
    (await createImageBitmap(file)).close();
    return true;
  } catch {
    return false;
  }
}

/** Of a moment in a strip. */
const timeOf = (place) => Math.round((place * STEPS) / (MOMENTS - 1));

const figure = (value) => (value >= 0.01 && value < 100 ? value.toFixed(3) : value.toExponential(2));

const WITHIN = ["pixels", "latents"];

/** A picture at this address, loaded. */
const loaded = async (src) => {
  const image = new Image();
  image.src = src;
  await image.decode();
  return image;
};

/** What the program makes in the latents of a picture's model, by how much of the picture is left. */
class Latents {
  /** `ask`: the program's function; `gone`: what is said where it does not answer. `onNews`: something came, or a
   * sentence why nothing does. */
  constructor(ask, gone, onNews) {
    Object.assign(this, { ask, gone, onNews, place: "", views: new Map(), fault: "", isAsking: false });
  }

  of(place) {
    Object.assign(this, { place, views: new Map(), fault: "" });
  }

  async answer(wish) {
    try {
      return await this.ask({ place: this.place, language: language(), ...wish });
    } catch {
      return { fault: this.gone };
    }
  }

  /** Asks for what is missing until nothing is. `wanted` tells lists of shares, the most urgent first. */
  async fetch(wanted) {
    if (this.isAsking) return;
    this.isAsking = true;
    for (let left = this.missing(wanted()); left.length && !this.fault; left = this.missing(wanted())) {
      const { place } = this;
      const { views = [], fault = "" } = await this.answer({ left });
      const images = await Promise.all(views.map(loaded));
      if (place !== this.place) continue;
      this.fault = fault;
      images.forEach((image, at) => this.views.set(left[at], image));
      this.onNews();
    }
    this.isAsking = false;
  }

  missing(lists) {
    const found = lists.map((list) => [...new Set(list)].filter((share) => !this.views.has(share)));
    return this.place ? (found.find((list) => list.length) ?? []) : [];
  }
}

export class Apart {
  /** `onOwn`: a file of the person's own is shown. `ask`: for the latents of a picture in the archive. */
  constructor(find, say, onOwn, ask) {
    Object.assign(this, { find, say, onOwn });
    this.large = null;
    this.latents = new Latents(ask, say("latents_gone"), () => this.#drawAll());
    find(".within").append(...WITHIN.map((value) => make("option", { value, text: say(value) })));
    find(".within").onchange = () => {
      this.latents.fault = ""; // tried again
      this.#drawAll();
    };
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

  get #isLatent() {
    return this.find(".within").value === "latents";
  }

  /** Of the picture at this address; `place`: where it lies in the archive, if it does. */
  show(url, place = "") {
    this.latents.of(place);
    const image = new Image();
    image.onload = () => {
      this.find(".fault").textContent = "";
      this.large = pixelsOf(image, SIDE);
      this.small = pixelsOf(image, SMALL);
      URL.revokeObjectURL(url); // of a file of one's own
      this.#drawAll();
    };
    image.onerror = () => (this.find(".fault").textContent = this.say("unreadable"));
    image.src = url;
  }

  async #open(file) {
    if (!file) return;
    if (!(await isWhole(file))) {
      this.find(".fault").textContent = this.say("unreadable");
      return;
    }
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

  #drawAll() {
    this.#draw();
    if (!this.small) return;
    for (const row of this.find(".strips").children) {
      const bars = BARS.get(row.dataset.schedule);
      [...row.querySelectorAll("canvas")].forEach((cell, place) => this.#paint(cell, this.small, bars[timeOf(place)]));
    }
  }

  #paint(canvas, pixels, bar) {
    const view = this.#isLatent ? this.latents.views.get(bar) : null;
    if (!view) {
      if (!this.#isLatent || !this.latents.place) mix(canvas, pixels, bar);
      return;
    }
    Object.assign(canvas, { width: pixels.width, height: pixels.height });
    canvas.getContext("2d").drawImage(view, 0, 0, pixels.width, pixels.height);
  }

  /** The one that is looked at, then the strips. */
  #wanted() {
    const strips = [...BARS.values()].flatMap((bars) => Array.from({ length: MOMENTS }, (_, at) => bars[timeOf(at)]));
    return this.#isLatent ? [[this.#bar], strips] : [];
  }

  #tellLatents() {
    const { place, fault, views } = this.latents;
    const told = place ? fault || this.say(views.has(this.#bar) ? "latents_told" : "latents_working") : "own_latents";
    this.find(".latent").textContent = this.#isLatent ? (place ? told : this.say(told)) : "";
  }

  get #bar() {
    return BARS.get(this.find(".schedule").value)[this.#time];
  }

  #tell() {
    const bar = this.#bar;
    const ratio = bar === 1 ? "∞" : figure(signalToNoise(bar));
    const told = this.say("left", { bar: figure(bar), ratio });
    this.find(".left").textContent = `t = ${this.#time} · ${told}`;
    this.find(".whole").setAttribute("aria-label", this.find(".left").textContent);
    this.find(".counted").textContent = "";
    return bar;
  }

  #draw() {
    const bar = this.#tell();
    if (this.large) this.#paint(this.find(".whole"), this.large, bar);
    this.#tellLatents();
    if (this.#isLatent) this.latents.fetch(() => this.#wanted());
  }

  async #count() {
    if (!this.small) {
      this.find(".counted").textContent = this.say("choose");
      return;
    }
    const t = this.#time;
    const { apart, deviation, fault } = await this.#stepped(t);
    const told = fault === undefined ? { t, apart: apart.toExponential(1), spread: deviation.toFixed(3) } : null;
    this.find(".counted").textContent = told ? this.say("steps_apart", told) : fault;
  }

  async #stepped(time) {
    const schedule = this.find(".schedule").value;
    if (!this.#isLatent || !this.latents.place || !time) {
      return steppedOf(this.small.values, betasOf(schedule), time, randomOf(SEED));
    }
    return await this.latents.answer({ left: BARS.get(schedule).slice(1, time + 1), stepwise: true });
  }
}
