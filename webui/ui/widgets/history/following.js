// A run that makes pictures again, looked at until it is over.
import { progressOf } from "./verification.js";

const after = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));

/**
 * `talk`: with the history. `isWanted()`: whether anybody still asks. `on(told, progress)` hears of each look; of a run
 * that is not known any more, null.
 */
export async function follow(talk, job, isWanted, on) {
  let progress = { seen: 0, next: 0 };
  while (progress.next !== null) {
    await after(progress.next);
    if (!isWanted()) return;
    const told = await talk(`verify/${job}?after=${progress.seen}`).catch(() => null);
    if (!isWanted()) return;
    progress = told ? progressOf(told, progress.seen) : { next: null };
    on(told, progress);
  }
}
