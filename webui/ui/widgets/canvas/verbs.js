// What can be done with the picture that is shown.
import { copyPicture, copyText } from "../shared/copying.js";
import { make, makeButton } from "../shared/dom.js";
import { fiveStars } from "../history/cells.js";

const HINTS = new Set(["compare", "to_looks", "to_again", "to_detail", "to_process"]); // told on the button itself

const SENT = {
  to_again: "again",
  to_img2img: "img2img",
  to_inpaint: "inpaint",
  reuse_seed: "seed",
  reuse_all: "run",
  vary: "vary",
  to_detail: "detail",
  to_process: "process",
};

/** `on`: send(way), enlarge(), look(), compare(), rate(stars), erase(), tell(key). `textOf(item)`: its settings as text. */
export class Verbs {
  constructor(bar, say, on, textOf) {
    Object.assign(this, { bar, say, on, textOf });
    bar.setAttribute("aria-label", say("verbs"));
    this.stars = make("span", { class: "stars" });
    this.download = make("a", { class: "verb", download: "", text: say("download") });
    const sent = Object.entries(SENT).map(([key, way]) => this.#button(key, () => on.send(way)));
    this.compare = this.#button("compare", () => on.compare());
    bar.replaceChildren(
      this.stars,
      ...sent,
      this.#button("larger", () => on.enlarge()),
      this.#button("to_looks", () => on.look()),
      this.compare,
      this.#copies(),
      this.download,
      this.#button("delete", () => on.erase()),
    );
  }

  #button(key, onclick) {
    const title = HINTS.has(key) ? { title: this.say(`${key}_hint`) } : {};
    return makeButton({ id: `form_${key}`, class: `verb ${key}`, text: this.say(key), onclick, ...title });
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
    const ways = {
      copy_seed: () => copyText(String(item.seed)),
      copy_settings: async () => copyText(await this.textOf(item)),
      copy_picture: () => copyPicture(item.url),
    };
    const isDone = await ways[what]().catch(() => false);
    this.on.tell(isDone ? "copied" : "not_copied");
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
