// What a verification tells of itself, as functions of its answers.

const GOING = ["queued", "running"];
const PAUSE = 400; // milliseconds between two looks at a running one

export const STATES = {
  queued: "verify_queued",
  running: "verify_running",
  done: "verify_done",
  cancelled: "verify_cancelled",
  failed: "verify_failed",
};
export const VERDICTS = { identical: "verify_identical", differs: "verify_differs", cannot: "verify_cannot" };

function pauseOf(isOver, isBehind) {
  if (isBehind) return 0;
  return isOver ? null : PAUSE;
}

/** `seen`: results shown before. `next`: milliseconds until the next look, or null when all is told. */
export function progressOf(told, seen) {
  const isOver = !GOING.includes(told.state);
  const shown = seen + told.results.length;
  const isBehind = shown < told.done;
  return {
    isOver,
    seen: shown,
    share: isOver ? 1 : told.share,
    next: pauseOf(isOver, isBehind),
  };
}

/** [verdict, count] of those there are. */
export const tallyOf = (counts) => Object.entries(counts).filter(([, count]) => count);
