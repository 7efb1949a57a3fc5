// One picture large: its frame, its badge and verbs under it, all that is known of it beside it.
import { finder, make, makeButton } from "../shared/dom.js";
import { keyed } from "../shared/view.js";
import { viewer } from "../shared/viewer.js";
import { badgeOf } from "../shared/badge.js";
import { Notice } from "./notice.js";
import { neighbours, sizeOf, timeText } from "./query.js";
import { Verbs } from "./verbs.js";

const AHEAD = 8; // so near the end more pictures are fetched
const SCROLLING = ["ArrowUp", "ArrowDown"]; // keys that the text beside the picture needs itself

export class Large {
  /** `page`: the HistoryPage whose pictures they are. */
  constructor(dialog, page) {
    Object.assign(this, { dialog, page, tell: page.tell });
    this.shown = 0; // place of the picture
    this.full = null; // all that is known of it
    this.looks = {}; // the overlays asked for last, and of which picture
    this.#build();
    const { attempt } = this.notice;
    this.enlarge = page.notice.attempt((place) => this.#enlarge(place));
    this.visit = page.notice.attempt((id) => this.#visit(id));
    this.attempt = attempt.bind(this.notice);
    dialog.addEventListener("keydown", (event) => this.#key(event));
    dialog.addEventListener("close", () => this.viewer.clear());
  }

  #build() {
    const { tell } = this;
    const button = (key, text, onclick) =>
      makeButton({ class: key, text, title: tell(key), "aria-label": tell(key), onclick });
    const told = make(
      "div",
      { class: "told", role: "status", hidden: true },
      make("span"),
      makeButton({ class: "undo" }),
    );
    const heads = make(
      "div",
      { class: "heads" },
      button("previous", "‹", () => this.enlarge(this.shown - 1)),
      button("next", "›", () => this.enlarge(this.shown + 1)),
      make("span", { class: "where" }),
      make("span", { class: "room" }),
      button("close", "×", () => this.dialog.close()),
    );
    const main = make(
      "div",
      { class: "main" },
      make("div", { class: "frame" }),
      make("div", { class: "others", hidden: true }),
      told,
      make("div", { class: "badge-box" }),
      make("div", { class: "verbs" }),
    );
    const side = make("div", { class: "side", tabindex: "0", role: "region", "aria-label": tell("about") });
    this.dialog.replaceChildren(heads, main, side);
    this.find = finder(this.dialog);
    this.notice = new Notice(told, tell("undo"));
    const onStep = (way) => this.enlarge(this.shown + way);
    this.viewer = viewer(this.find(".frame"), { tell, screen: main, onStep });
    this.verbs = new Verbs(this.find(".verbs"), this);
  }

  #key(event) {
    if (["INPUT", "SELECT", "TEXTAREA"].includes(event.target.tagName)) return;
    if (SCROLLING.includes(event.key) && event.target.closest(".side")) return;
    const wish = keyed(event);
    if (!wish || !this.viewer.does(...wish)) return;
    event.preventDefault();
  }

  async #enlarge(place) {
    const item = this.page.items[place];
    if (!item) return;
    this.shown = place;
    this.notice.say("");
    if (!this.dialog.open) {
      this.dialog.showModal();
      this.viewer.focus();
    }
    this.viewer.preview({ url: item.thumb, size: sizeOf(item), text: item.prompt });
    const full = await this.page.talk(`picture/${item.id}`);
    if (this.shown !== place || this.page.items[place]?.id !== item.id) return;
    this.#draw(full);
    if (place > this.page.items.length - AHEAD) this.page.more();
  }

  /** A picture that may lie outside what is shown; the one that is shown is told anew. */
  async #visit(id) {
    const place = this.page.items.findIndex((item) => item.id === id);
    if (place >= 0 && place !== this.shown) await this.enlarge(place);
    else this.#draw(await this.page.talk(`picture/${id}`));
  }

  /** Of the picture that is shown, something changed. */
  async again() {
    if (this.dialog.open && this.full) await this.visit(this.full.id);
  }

  #draw(full) {
    const isNew = this.full?.url !== full.url || !this.find(".stage img").src.endsWith(full.url);
    this.full = full;
    if (isNew) {
      this.find(".others").hidden = true;
      this.viewer.show({ url: full.url, size: full.unreadable ? null : sizeOf(full), text: full.prompt || full.place });
    }
    const { shown, tell } = this;
    const { items, total } = this.page;
    this.find(".where").textContent = tell("place_of", shown + 1, total ?? items.length);
    this.find(".previous").disabled = !items[shown - 1];
    this.find(".next").disabled = !items[shown + 1];
    this.verbs.show(full);
    this.#badge();
    this.#side(full);
    this.#overlay();
  }

  // -- the badge

  #badge() {
    const { full, tell } = this;
    const { verdict, line, why, can } = full.badge;
    const isChecked = this.page.proof.isAt(full.id);
    const text = isChecked ? tell("checking", Math.round(100 * this.page.proof.share)) : line;
    const check = () => this.page.proof.check(full.id);
    const button = { class: "check", text: tell(verdict === "not_yet" ? "check" : "check_again"), onclick: check };
    this.find(".badge-box").replaceChildren(
      badgeOf(isChecked ? "checking" : verdict, text),
      ...(can && !full.trashed ? [makeButton({ ...button, disabled: isChecked })] : []),
      ...(isChecked
        ? []
        : [make("ul", { class: "why", hidden: !why.length }, ...why.map((one) => make("li", { text: one })))]),
    );
  }

  /** The making again went on. */
  checking() {
    if (this.dialog.open && this.full) this.#badge();
  }

  // -- two pictures

  /** Offers the pictures around it to be compared with; or ends the comparison. */
  compare() {
    const box = this.find(".others");
    if (this.isComparing || !box.hidden) {
      box.hidden = true;
      if (this.isComparing) this.viewer.show(this.#asShown(this.full));
      this.verbs.show(this.full);
      return;
    }
    const others = [...this.full.parents, ...neighbours(this.page.items, this.full.id)];
    const pick = async (other) => {
      box.hidden = true;
      await this.viewer.compare(this.#asShown(this.full), this.#asShown(other));
      this.verbs.show(this.full);
      this.find(".split").focus();
    };
    box.replaceChildren(make("span", { text: this.tell("compare_with") }), this.#strip("", others, pick));
    box.hidden = false;
    box.querySelector("button")?.focus();
  }

  get isComparing() {
    return this.find(".stage").classList.contains("comparing");
  }

  #asShown(item) {
    return { url: item.url, size: sizeOf(item), text: item.prompt };
  }

  // -- beside it

  #side(full) {
    const settings = make("div", { class: "settings-box" });
    settings.innerHTML = full.settings; // escaped by the server
    const side = this.find(".side");
    side.replaceChildren(
      this.#tags(full),
      make("div", { class: "looks-box", "data-place": full.place, hidden: true }),
      ...this.#kin("parents", full.parents),
      ...this.#kin("children", full.children),
      settings,
      full.score ? make("div", { class: "place", text: `${this.tell("scored")}: ${full.score}` }) : "",
      make("div", { class: "place", text: `${full.place} · ${timeText(full.made)}` }),
    );
    side.scrollTop = 0;
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
      if (event.key !== "Escape") event.stopPropagation();
      if (event.key !== "Enter" || !box.value.trim()) return;
      event.preventDefault();
      change("tag", box.value);
    };
    return make("div", { class: "tags" }, ...tags, box);
  }

  #kin(key, pictures) {
    if (!pictures.length) return [];
    return [make("h4", { text: this.tell(key) }), this.#strip(key, pictures, (one) => this.visit(one.id))];
  }

  #strip(kind, pictures, choose) {
    const buttons = pictures.map((one) => {
      const image = make("img", { src: one.thumb, alt: "", loading: "lazy" });
      const attributes = { title: one.prompt, "aria-label": one.prompt || one.place };
      return makeButton({ ...attributes, onclick: () => choose(one) }, image);
    });
    return make("div", { class: `kin ${kind}` }, ...buttons);
  }

  /** Where its words look, as the server found out: {place, looks: HTML}. */
  showLooks(looks) {
    this.looks = looks;
    this.#overlay();
  }

  #overlay() {
    const box = this.find(".looks-box");
    if (!box) return;
    const isMine = box.dataset.place === this.looks.place;
    box.hidden = !isMine;
    box.innerHTML = isMine ? this.looks.looks : ""; // escaped by the server
  }
}
