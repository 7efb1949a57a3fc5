// What is pasted or dropped, told by its data. Plain functions of values.

/** Whether a text is one of settings, as A1111 and many others write it. */
export const isInfotext = (text) => /(^|\n)\s*Steps: \d+,/.test(text) && /\bSampler: /.test(text);

/** The first picture among files that were pasted, or null. Text that is copied with a picture of it stays text where
 * it can be written. */
export function pictureIn({ files, types }, isWriting) {
  if (isWriting && [...types].includes("text/plain")) return null;
  return [...files].find((file) => file.type.startsWith("image/")) ?? null;
}

export const WAYS = ["run", "img2img", "inpaint", "again"];

/** What a person most likely wants of a picture while this task is open. */
export const likelyWay = (task) => (WAYS.includes(task) ? task : WAYS[0]);
