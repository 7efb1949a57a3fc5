import { finder, make, whileThere } from "../shared/dom.js";
import { speaker } from "../shared/words.js";
import { Bar } from "./bar.js";
import { cellOf } from "./cells.js";
import { askIn, closeBeside, compareIn } from "./dialogs.js";
import { enlarge as enlargeThem } from "./enlarging.js";
import { Filters } from "./filters.js";
import { Large } from "./large.js";
import { Notice } from "./notice.js";
import { Proof } from "./proof.js";
import { addressOf, emptyWord, freshOf, isSame, namesText, usesFilters, withFilter, withoutFilters } from "./query.js";
import { Selection } from "./selection.js";
import { talker } from "./talk.js";

const PAGE = 60; // pictures fetched at once
const FRESH = 4000; // milliseconds until it is looked whether there are new ones
const TYPED = 200; // milliseconds after the last letter of a search
const AHEAD = "900px"; // so far above the end the next page is fetched
const SORTS = ["newest", "oldest", "rating", "score", "largest"];
const TASKS = ["txt2img", "img2img", "inpaint", "upscale"];

class HistoryPage {
  constructor({ element, props, trigger }, words) {
    const say = speaker(words);
    Object.assign(this, { props, trigger, say });
    this.find = finder(element);
    this.root = this.find(".history");
    this.tell = (key, n = 0, m = 0) => say(key, { n: n.toLocaleString(), m: m.toLocaleString() });
    this.talk = talker(this.tell("failed"));
    this.notice = new Notice(this.find(".told"), this.tell("undo"));
    this.selection = new Selection();
    this.wish = { sort: "newest" };
    this.items = [];
    this.after = null; // where the next page begins
    this.total = null;
    this.turn = 0; // of the newest load: answers to earlier ones come too late
    this.isBusy = false;
    this.loadedAt = 0;
    this.#attempts();
    this.#parts();
  }

  /** What may fail, and then says so. */
  #attempts() {
    const { notice } = this;
    this.load = notice.attempt(() => this.#load());
    this.more = notice.attempt(() => this.#more());
    this.rate = notice.attempt((ids, rating) => this.#rate(ids, rating));
    this.tag = notice.attempt((action, ids, value) => this.#tag(action, ids, value));
    this.act = notice.attempt((action, ids, how) => this.#act(action, ids, how));
    this.download = notice.attempt((kind, ids) => this.#download(kind, ids));
    this.facets = notice.attempt(() => this.#facets());
    this.enlarge = notice.attempt((items) => enlargeThem(this, items, notice));
  }

  #parts() {
    const { find, tell } = this;
    this.large = new Large(find("dialog.large"), this);
    this.proof = new Proof(find("dialog.proof"), find(".proof-open"), this);
    this.bar = new Bar(find(".bar"), this);
    this.filters = new Filters(
      find(".filters"),
      tell,
      (key, value) => this.narrow(key, value),
      () => this.reset(),
    );
    this.dialogs = ["large", "both", "ask", "proof", "larger"].map((name) => find(`dialog.${name}`));
    this.dialogs.forEach(closeBeside);
    const seen = (entries) => entries.at(-1).isIntersecting && this.more();
    this.spy = new IntersectionObserver(seen, { rootMargin: AHEAD });
  }

  // -- pages of pictures

  async #load() {
    this.turn += 1;
    this.isBusy = true;
    const { turn } = this;
    try {
      const page = await this.talk(addressOf(this.wish, { limit: PAGE, count: 1 }));
      if (turn !== this.turn) return;
      this.items = page.items;
      this.after = page.after;
      this.total = page.count;
      this.loadedAt = Date.now();
      this.selection.keep(this.items);
      this.find(".sheet").replaceChildren(...this.items.map((item) => this.cell(item)));
      this.show(page);
    } finally {
      if (turn === this.turn) this.isBusy = false;
    }
    this.#measure();
  }

  async #more() {
    if (this.isBusy || !this.after) return;
    this.isBusy = true;
    const { turn } = this;
    try {
      const page = await this.talk(addressOf(this.wish, { limit: PAGE, after: this.after }));
      if (turn !== this.turn) return;
      const fresh = freshOf(this.items, page);
      this.items.push(...fresh);
      this.after = page.after;
      this.find(".sheet").append(...fresh.map((item) => this.cell(item)));
      this.show(page);
    } finally {
      if (turn === this.turn) this.isBusy = false;
    }
    this.#measure();
  }

  /** Looked at anew after each page: an end that stays in sight is no event. */
  #measure() {
    this.spy.unobserve(this.find(".end"));
    this.spy.observe(this.find(".end"));
  }

  /** Whether the sheet may change under the person's hands. */
  get isQuiet() {
    const isSeen = this.root.offsetParent && !document.hidden && this.root.getBoundingClientRect().top > -200;
    return isSeen && !this.selection.size && !this.isBusy && !this.dialogs.some((dialog) => dialog.open);
  }

  /** Are there new pictures? */
  async look() {
    if (!this.isQuiet || Date.now() - this.loadedAt < FRESH) return;
    this.loadedAt = Date.now();
    const { turn } = this;
    try {
      const page = await this.talk(addressOf(this.wish, { limit: PAGE, count: 1 }));
      if (turn !== this.turn || !this.isQuiet) return;
      if (isSame(page, this.items, this.total, PAGE)) this.show(page);
      else this.load();
    } catch {
      /* the next look may succeed */
    }
  }

  show(page) {
    const { find, items, say, tell, wish } = this;
    const scanning = page.scanning ? ` · ${tell("scanning", page.scanned, page.scanning)}` : "";
    const key = this.total === 1 ? "count_one" : "count";
    find(".count").textContent = (this.total === null ? "" : tell(key, this.total)) + scanning;
    if (page.also) {
      const { names, count } = page.also;
      find(".also").hidden = !names.length;
      find(".also").textContent = names.length
        ? say("also", { names: namesText(names), n: count.toLocaleString() })
        : "";
    }
    if (page.left_out) {
      find(".left-out").hidden = !page.left_out.length;
      find(".left-out").textContent = page.left_out.join(" ");
    }
    find(".empty").hidden = items.length > 0;
    find(".empty").textContent = tell(emptyWord(wish));
    find(".all").hidden = !items.length;
    find(".erase-all").hidden = !(wish.trashed && items.length);
    this.choose();
  }

  cell(item) {
    const place = () => this.items.findIndex((other) => other.id === item.id);
    const pick = (isOn, isRange) => {
      this.selection.pick(this.items, place(), isOn, isRange);
      this.choose();
    };
    const enlarge = () => this.large.enlarge(place());
    return cellOf(item, this.tell, this.selection.has(item.id), { pick, enlarge });
  }

  // -- the selected ones

  /** Shows what is selected. */
  choose() {
    const many = this.selection.size;
    this.root.classList.toggle("choosing", many > 0);
    for (const cell of this.find(".sheet").children) {
      cell.querySelector(".tick").checked = this.selection.has(cell.dataset.id);
    }
    this.bar.show(many, Boolean(this.wish.trashed));
  }

  unselect() {
    this.selection.clear();
    this.choose();
  }

  chosen() {
    return this.selection.of(this.items);
  }

  ids() {
    return this.chosen().map((item) => item.id);
  }

  async #rate(ids, rating) {
    await this.talk("act", { action: "rate", ids, value: String(rating) });
    for (const item of this.items.filter(({ id }) => ids.includes(id))) {
      item.rating = rating;
      this.#recell(item);
    }
  }

  /** What came of making it again. */
  proved(id, verdict) {
    const item = this.items.find((one) => one.id === id);
    if (item) {
      item.proof = verdict;
      this.#recell(item);
    }
    if (this.large.full?.id === id) this.large.again();
  }

  #recell(item) {
    const cell = [...this.find(".sheet").children].find((one) => one.dataset.id === item.id);
    cell?.replaceWith(this.cell(item));
  }

  /** It is here no more. */
  dropped(id) {
    this.items = this.items.filter((item) => item.id !== id);
    this.total = this.total === null ? null : this.total - 1;
    [...this.find(".sheet").children].find((one) => one.dataset.id === id)?.remove();
    this.selection.keep(this.items);
    this.show({});
  }

  async #tag(action, ids, value) {
    await this.talk("act", { action, ids, value });
    this.facets();
  }

  /** `told`: the word for what was done; `undo`: the action that takes it back. */
  async #act(action, ids, { value = "", told = "", undo = "" } = {}) {
    const done = await this.talk("act", { action, ids, value });
    const back = async () => {
      await this.talk("act", { action: undo, ids: done.ids });
      this.notice.say("");
      await this.load();
    };
    const canUndo = undo && done.ids.length;
    const text = done.problem || (told ? this.tell(told, done.ids.length) : "");
    this.notice.say(text, { isFault: Boolean(done.problem), undo: canUndo ? this.notice.attempt(back) : null });
    this.selection.clear();
    await this.load();
    this.facets();
  }

  async #download(kind, ids) {
    const { url } = await this.talk("export", { kind, ids });
    const link = make("a", { href: url, download: "" });
    document.body.append(link);
    link.click();
    link.remove();
  }

  ask(text, go, options) {
    askIn(this.find("dialog.ask"), text, go, { tell: this.tell, ...options });
  }

  compare() {
    const pair = this.chosen();
    if (pair.length === 2) compareIn(this.find("dialog.both"), pair, this.tell);
  }

  verify() {
    this.proof.start(this.ids());
  }

  // -- what is asked for

  narrow(key, value) {
    this.wish = withFilter(this.wish, key, value);
    if (key === "trash") this.selection.clear();
    this.#wished();
  }

  reset() {
    this.find(".words").value = "";
    this.wish = withoutFilters(this.wish);
    this.#wished();
  }

  #wished() {
    this.find(".more-filters").classList.toggle("used", usesFilters(this.wish));
    this.load();
  }

  async #facets() {
    const facets = await this.talk("facets");
    this.filters.offer(facets, TASKS);
    this.bar.offer(
      facets.tag.map(([tag]) => tag),
      facets.folders.filter(Boolean),
    );
  }

  // -- to the program

  send(way, item) {
    this.props.value = { send: way, place: item.place, turn: Date.now() };
    this.trigger("select", {});
  }

  lookAt(item) {
    this.props.value = { look: item.place, turn: Date.now() };
    this.trigger("expand", {});
  }

  take() {
    const value = this.props.value ?? {};
    if (value.error) this.notice.say(value.error, { isFault: true });
    if (value.looks) this.large.showLooks(value);
  }

  // -- beginning

  label() {
    const { find, tell } = this;
    find(".words").placeholder = tell("search");
    find(".words").setAttribute("aria-label", tell("search"));
    find(".sort").setAttribute("aria-label", tell("sort"));
    find(".sort").append(...SORTS.map((key) => make("option", { value: key, text: tell(key) })));
    find(".more-filters").textContent = tell("filters");
    find(".all").textContent = tell("select_all");
    find(".erase-all").textContent = tell("erase_all");
  }

  listen() {
    const { find } = this;
    const toggle = find(".more-filters");
    toggle.onclick = () => {
      find(".filters").hidden = !find(".filters").hidden;
      toggle.setAttribute("aria-expanded", String(!find(".filters").hidden));
    };
    find(".all").onclick = () => {
      this.selection.all(this.items);
      this.choose();
    };
    find(".erase-all").onclick = () => {
      this.ask(this.tell("erase_all_sure"), () => this.act("erase", []), { isDanger: true });
    };
    find(".sort").onchange = () => {
      this.wish = { ...this.wish, sort: find(".sort").value };
      this.load();
    };
    let typing;
    find(".words").oninput = () => {
      clearTimeout(typing);
      typing = setTimeout(() => {
        this.wish = { ...this.wish, words: find(".words").value.trim() };
        this.load();
      }, TYPED);
    };
  }

  /** Loads when the tab is opened, and looks for new pictures while it is. */
  begin() {
    let wasOpen = false;
    const opened = new IntersectionObserver((entries) => {
      const isOpen = entries.at(-1).isIntersecting;
      if (isOpen && !wasOpen) {
        if (this.loadedAt) this.look();
        else this.load();
        this.facets();
      }
      wasOpen = isOpen;
    });
    opened.observe(this.root);
    whileThere(this.root, 1000, () => this.look());
    this.proof.resume();
  }
}

export function mount(parts, { words }) {
  const page = new HistoryPage(parts, words);
  page.label();
  page.listen();
  page.begin();
  parts.watch("value", () => page.take());
}
