// What is told of a prompt's reading, as text. `say` is of (key, values).

export const countOf = (chunk) => chunk.words.reduce((sum, word) => sum + word.tokens.length, 0);

/** "12/77" of one box's reading: tokens and room of the first encoder; nothing where nothing was read. */
export function countsOf(reading) {
  const chunks = reading ? reading.encoders[0] : [];
  if (!chunks.length) return "";
  const count = chunks.reduce((sum, one) => sum + countOf(one), 0);
  const room = chunks.reduce((sum, one) => sum + one.room, 0);
  return `${count}/${room}`;
}

const isInPieces = (word) => word.tokens.length > 1 && !word.learned;

export function kindOf(word) {
  if (word.learned) return "learned";
  return isInPieces(word) ? "pieces" : "";
}

export function tokenTitle(word, id, say) {
  const kind = kindOf(word);
  const note = kind ? say(kind, { count: word.tokens.length }) : "";
  return [say("token", { id, weight: word.weight }), note].filter(Boolean).join(" · ");
}

/** "Part 2, weight 0.5 · " where the prompt has several parts. */
export function partTitle(chunk, weights, isCompel, say) {
  if (weights.length < 2) return "";
  const values = { number: chunk.part + 1, weight: weights[chunk.part] };
  return `${say(isCompel ? "compel_part" : "part", values)} · `;
}

export const encoderTitle = (reading, place) => {
  if (reading.encoders.length < 2) return "";
  return place ? "OpenCLIP bigG · " : "CLIP-L · ";
};

/** Notes on how the model reads it. `settings`: {dialect, clip_skip}. */
export function notesOf(reading, settings, say) {
  const skip = Number(settings.clip_skip) || 1;
  const isSdxl = reading.family === "sdxl";
  const hasPieces = reading.encoders.some((chunks) => chunks.some((chunk) => chunk.words.some(isInPieces)));
  const notes = [
    [skip > (isSdxl ? 2 : 1), isSdxl ? "clip_skip_sdxl" : "clip_skip"],
    [isSdxl && reading.encoders.length === 1, "same"],
    [reading.weights.length > 1 && settings.dialect === "compel", "compel"],
    [/^(sd3|flux)/.test(reading.family), "whole"],
    [reading.changes, "changes"],
    [hasPieces, "pieces_note"],
  ];
  return notes.filter(([holds]) => holds).map(([, key]) => say(key, { skip, earlier: skip - 1 }));
}
