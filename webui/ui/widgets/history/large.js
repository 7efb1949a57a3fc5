// One picture large, with its settings, its kin and where it can be sent.
import { make, makeButton } from "../shared/dom.js";
import { fiveStars } from "./cells.js";

const STEPS = { ArrowRight: 1, ArrowLeft: -1 };
const WAYS = { to_img2img: "img2img", to_inpaint: "inpaint", to_again: "again", to_run: "run" };
const AHEAD = 8; // so near the end more pictures are fetched

const timeText = (made) => made.replace("T", " ").slice(0, 16);

export class Large {
  /** `page`: the HistoryPage whose pictures they are. */
  constructor(dialog, page) {
    Object.assign(this, { dialog, page, tell: page.tell });
    this.shown = 0; // place of the picture
    this.looks = {}; // the overlays asked for last, and of which picture
    this.enlarge = page.notice.attempt((place) => this.#enlarge(place));
    this.visit = page.notice.attempt((id) => this.#visit(id));
    dialog.addEventListener("keydown", (event) => {
      const step = STEPS[event.key];
      if (!step || !page.items[this.shown + step] || event.target.tagName === "INPUT") return;
      event.preventDefault();
      this.enlarge(this.shown + step);
    });
  }

  async #enlarge(place) {
    const item = this.page.items[place];
    if (!item) return;
    this.shown = place;
    const full = await this.page.talk(`picture/${item.id}`);
    if (this.shown !== place) return;
    this.#draw(full);
    if (!this.dialog.open) this.dialog.showModal();
    if (place > this.page.items.length - AHEAD) this.page.more();
  }

  /** A picture that may lie outside what is shown. */
  async #visit(id) {
    const place = this.page.items.findIndex((item) => item.id === id);
    if (place >= 0) await this.enlarge(place);
    else this.#draw(await this.page.talk(`picture/${id}`));
  }

  #draw(full) {
    const image = make("img", { src: full.url, alt: full.prompt });
    const stage = make("a", { class: "stage", href: full.url, target: "_blank", rel: "noopener" }, image);
    const settings = make("div", { class: "settings-box" });
    settings.innerHTML = full.settings; // escaped by the server
    const side = make(
      "div",
      { class: "side" },
      this.#heads(full),
      this.#tags(full),
      full.trashed ? null : this.#sends(full),
      make("div", { class: "looks-box", "data-place": full.place, hidden: true }),
      ...this.#kin("parents", full.parents),
      ...this.#kin("children", full.children),
      settings,
      make("div", { class: "place", text: `${full.place} · ${timeText(full.made)}` }),
    );
    this.dialog.replaceChildren(make("div", { class: "two" }, stage, side));
    this.#overlay();
  }

  #heads(full) {
    const give = async (rating) => {
      await this.page.rate([full.id], rating);
      this.visit(full.id);
    };
    return make(
      "div",
      { class: "heads" },
      this.#step("previous", -1, "‹"),
      this.#step("next", 1, "›"),
      fiveStars(full.rating, this.tell, give),
      make("span", { class: "room" }),
      makeButton({ class: "close", text: this.tell("close"), onclick: () => this.dialog.close() }),
    );
  }

  #step(key, by, text) {
    const place = this.shown + by;
    const attributes = { class: key, "aria-label": this.tell(key), disabled: !this.page.items[place] };
    return makeButton({ ...attributes, text, onclick: () => this.enlarge(place) });
  }

  #tags(full) {
    const change = async (action, tag) => {
      await this.page.tag(action, [full.id], tag);
      this.visit(full.id);
    };
    const tags = full.tags.map((tag) => {
      const attributes = { class: "tag", text: `${tag} ×`, "aria-label": `${this.tell("tag_remove")} ${tag}` };
      return makeButton({ ...attributes, onclick: () => change("untag", tag) });
    });
    const name = this.tell("tag_add");
    const attributes = { type: "text", placeholder: name, "aria-label": name, list: "history_tags", maxlength: "60" };
    const box = make("input", attributes);
    box.onkeydown = (event) => {
      event.stopPropagation();
      if (event.key !== "Enter" || !box.value.trim()) return;
      event.preventDefault();
      change("tag", box.value);
    };
    return make("div", { class: "tags" }, ...tags, box);
  }

  #sends(full) {
    const sends = Object.entries(WAYS).map(([key, way]) => {
      const send = () => {
        this.dialog.close();
        this.page.send(way, full);
      };
      return makeButton({ class: key, text: this.tell(key), onclick: send });
    });
    const look = { class: "to_looks", text: this.tell("to_looks"), onclick: () => this.page.lookAt(full) };
    return make("div", { class: "sends" }, ...sends, full.kind === "image" ? makeButton(look) : null);
  }

  #kin(key, pictures) {
    if (!pictures.length) return [];
    const buttons = pictures.map((one) => {
      const image = make("img", { src: one.thumb, alt: one.prompt, loading: "lazy" });
      const attributes = { title: one.prompt, "aria-label": one.prompt || one.place };
      return makeButton({ ...attributes, onclick: () => this.visit(one.id) }, image);
    });
    return [make("h4", { text: this.tell(key) }), make("div", { class: `kin ${key}` }, ...buttons)];
  }

  /** Where its words look, as the server found out: {place, looks: HTML}. */
  showLooks(looks) {
    this.looks = looks;
    this.#overlay();
  }

  #overlay() {
    const box = this.dialog.querySelector(".looks-box");
    if (!box) return;
    const isMine = box.dataset.place === this.looks.place;
    box.hidden = !isMine;
    box.innerHTML = isMine ? this.looks.looks : ""; // escaped by the server
  }
}
