// The forward process of diffusion, in numbers; it knows no document.
//
// x_t = √ᾱ_t x_0 + √(1 − ᾱ_t) ε (Ho, Jain, Abbeel 2020, eq. 4). Schedules: "linear" is theirs, "scaled" is linear in √β as
// Stable Diffusion has it (Rombach et al. 2022), "cosine" Nichol & Dhariwal 2021, eq. 17.

export const STEPS = 1000;
const COSINE_OFFSET = 0.008;
const LARGEST = 0.999;

const between = (start, end, place) => start + ((end - start) * place) / (STEPS - 1);
const cosine = (share) => Math.cos((((share + COSINE_OFFSET) / (1 + COSINE_OFFSET)) * Math.PI) / 2) ** 2;

const BETA = {
  linear: (place) => between(1e-4, 0.02, place),
  scaled: (place) => between(Math.sqrt(0.00085), Math.sqrt(0.012), place) ** 2,
  cosine: (place) => Math.min(1 - cosine((place + 1) / STEPS) / cosine(place / STEPS), LARGEST),
};

export const SCHEDULES = Object.keys(BETA);

/** β_1 … β_1000. */
export const betasOf = (schedule) => Array.from({ length: STEPS }, (_, place) => BETA[schedule](place));

/** ᾱ_0 … ᾱ_1000: how much of the picture's power is left; ᾱ_0 is 1. */
export function alphasBarOf(betas) {
  const found = [1];
  for (const beta of betas) found.push(found.at(-1) * (1 - beta));
  return found;
}

/** Power of the picture over that of the noise. */
export const signalToNoise = (alphaBar) => alphaBar / (1 - alphaBar);

/** A source of numbers 0 … 1 (mulberry32), the same for the same seed. */
export function randomOf(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

/** So many numbers of the normal distribution (Box & Muller 1958). */
export function noiseOf(count, random) {
  const found = new Float32Array(count);
  for (let place = 0; place < count; place += 2) {
    const length = Math.sqrt(-2 * Math.log(1 - random()));
    const angle = 2 * Math.PI * random();
    found[place] = length * Math.cos(angle);
    if (place + 1 < count) found[place + 1] = length * Math.sin(angle);
  }
  return found;
}

/** x_t in one step. Values of the picture are -1 … 1. */
export function noised(picture, noise, alphaBar) {
  const [signal, spread] = [Math.sqrt(alphaBar), Math.sqrt(1 - alphaBar)];
  return picture.map((value, place) => signal * value + spread * noise[place]);
}

/** x_t in t single steps, each with noise of its own, held to the one step with all their noise together: the largest
 * difference between the two, and how far that noise's deviation is from 1. */
export function steppedOf(picture, betas, time, random) {
  let here = Float32Array.from(picture);
  let together = new Float32Array(picture.length);
  let alphaBar = 1;
  for (const beta of betas.slice(0, time)) {
    const noise = noiseOf(picture.length, random);
    const [kept, added] = [Math.sqrt(1 - beta), Math.sqrt(beta)];
    here = here.map((value, place) => kept * value + added * noise[place]);
    together = together.map((value, place) => kept * value + added * noise[place]);
    alphaBar *= 1 - beta;
  }
  const spread = Math.sqrt(1 - alphaBar);
  const noise = together.map((value) => (spread ? value / spread : 0));
  const once = noised(Float32Array.from(picture), noise, alphaBar);
  const apart = here.reduce((most, value, place) => Math.max(most, Math.abs(value - once[place])), 0);
  const power = noise.reduce((sum, value) => sum + value * value, 0) / noise.length;
  return { apart, deviation: Math.sqrt(power) };
}
