// What the strip of the canvas holds, and which picture is shown. Plain functions of values.

/** A picture of the history as the strip wants it. */
export const fromHistory = (entry) => ({
  id: entry.place,
  picture: entry.id,
  url: entry.url,
  thumb: entry.thumb,
  rating: entry.rating,
  proof: entry.proof,
  seed: entry.seed,
  size: [entry.width, entry.height],
  label: entry.seed ?? "–",
  text: [entry.seed, `${entry.width} × ${entry.height}`, entry.prompt].filter(Boolean).join(" · "),
});

/** This run's pictures, then the recent ones that are not among them. */
export function filmOf(run, recent) {
  const known = new Set(run.map((item) => item.id));
  return [...run, ...recent.filter((item) => !known.has(item.id)).map((item) => ({ ...item, isRecent: true }))];
}

/** "×2" of a picture that stands there smaller too; else "". */
export function timesOf(film, item) {
  const same = film.filter((one) => one.size && one.seed && one.seed === item.seed);
  const least = Math.min(...same.map((one) => one.size[0]));
  const times = item.size ? item.size[0] / least : 1;
  return times > 1 && Number.isFinite(times) ? `×${Number(times.toFixed(1))}` : "";
}

/** What a run's new pictures mean for the one that is shown: a person who looks at another one goes on looking. */
export function shownAfter(run, selected, shown, isPinned) {
  if (isPinned && shown) return shown;
  return run[selected]?.id ?? run.at(-1)?.id ?? shown;
}

/** The id `way` places further, or null at an end. */
export function neighbour(film, shown, way) {
  const place = film.findIndex((item) => item.id === shown);
  return film[place + way]?.id ?? null;
}
