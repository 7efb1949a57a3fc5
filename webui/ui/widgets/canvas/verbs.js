// What can be done with the picture that is shown.
import { make, makeButton } from "../shared/dom.js";
import { fiveStars } from "../history/cells.js";

const SENT = { to_again: "again", to_img2img: "img2img", to_inpaint: "inpaint", reuse_seed: "seed", reuse_all: "run" };

async function copyPicture(url) {
  const picture = await (await fetch(url)).blob();
  const png = picture.type === "image/png" ? picture : await asPng(picture);
  await navigator.clipboard.write([new ClipboardItem({ "image/png": png })]);
}

async function asPng(picture) {
  const bitmap = await createImageBitmap(picture);
  const canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
  canvas.getContext("2d").drawImage(bitmap, 0, 0);
  return canvas.convertToBlob({ type: "image/png" });
}

/** `on`: send(way), look(), compare(), rate(stars), erase(), tell(key). `textOf(item)`: its settings as text. */
export class Verbs {
  constructor(bar, say, on, textOf) {
    Object.assign(this, { bar, say, on, textOf });
    bar.setAttribute("aria-label", say("verbs"));
    this.stars = make("span", { class: "stars" });
    this.download = make("a", { class: "verb", download: "", text: say("download") });
    const sent = Object.entries(SENT).map(([key, way]) => this.#button(key, () => on.send(way)));
    this.compare = this.#button("compare", () => on.compare());
    this.compare.title = say("compare_hint");
    bar.replaceChildren(
      this.stars,
      ...sent,
      this.#button("to_looks", () => on.look()),
      this.compare,
      this.#copies(),
      this.download,
      this.#button("delete", () => on.erase()),
    );
  }

  #button(key, onclick) {
    return makeButton({ id: `form_${key}`, class: `verb ${key}`, text: this.say(key), onclick });
  }

  #copies() {
    const { say } = this;
    const keys = ["copy_seed", "copy_settings", "copy_picture"];
    const options = keys.map((key) => make("option", { value: key, text: say(key) }));
    const first = make("option", { value: "", text: say("copy") });
    const box = make("select", { class: "verb copy", "aria-label": say("copy") }, first, ...options);
    box.onchange = () => {
      const { value } = box;
      box.value = "";
      if (value) this.#copy(value);
    };
    return box;
  }

  async #copy(what) {
    const { item } = this;
    try {
      if (what === "copy_picture") await copyPicture(item.url);
      else await navigator.clipboard.writeText(what === "copy_seed" ? String(item.seed) : await this.textOf(item));
      this.on.tell("copied");
    } catch {
      this.on.tell("not_copied");
    }
  }

  /** Of this picture, or of none: the bar keeps its room. */
  show(item, canCompare) {
    this.item = item;
    this.bar.inert = !item;
    this.bar.classList.toggle("unused", !item);
    this.stars.replaceChildren(fiveStars(item?.rating ?? 0, this.say, (stars) => this.on.rate(stars)));
    if (!item) return;
    this.download.href = item.url;
    this.download.download = item.id.split("/").at(-1);
    this.compare.disabled = !canCompare;
  }
}
