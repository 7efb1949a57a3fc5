// Into the clipboard. Each gives whether the browser allowed it.
import { make } from "./dom.js";

/** A picture as PNG, which is what every clipboard takes. */
async function pngOf(url) {
  const blob = await (await fetch(url)).blob();
  if (blob.type === "image/png") return blob;
  const bitmap = await createImageBitmap(blob);
  const canvas = make("canvas", { width: bitmap.width, height: bitmap.height });
  canvas.getContext("2d").drawImage(bitmap, 0, 0);
  return new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
}

async function isDone(write) {
  try {
    await write();
    return true;
  } catch {
    return false;
  }
}

export const copyText = (text) => isDone(() => navigator.clipboard.writeText(text));

/** The picture is on its way when the clipboard is asked: what a press allows lasts a moment only. */
export const copyPicture = (url) =>
  isDone(() => navigator.clipboard.write([new ClipboardItem({ "image/png": pngOf(url) })]));
