import { talker } from "../history/talk.js";
import { finder, make, makeButton, onPage, rest } from "../shared/dom.js";
import { askLarger, followLarger, lineOf } from "../shared/larger.js";
import { viewer } from "../shared/viewer.js";
import { speaker } from "../shared/words.js";
import { filmOf, fromHistory, neighbour, shownAfter, timesOf } from "./film.js";
import { Proved } from "./proved.js";
import { welcome } from "./first.js";
import { Verbs } from "./verbs.js";

const RECENT = 24; // pictures

class Canvas {
  constructor({ element, props, trigger }, words) {
    Object.assign(this, { element, props, trigger });
    this.find = finder(element);
    this.say = speaker(words);
    this.talk = talker(this.say("failed"));
    this.run = []; // this run's pictures
    this.recent = [];
    this.shown = ""; // the picture that is shown, by its place below the outputs folder
    this.before = ""; // ... and the one before it
    this.isPinned = false; // a person chose it
    this.isRunning = false;
    this.isKnown = false; // whether there are pictures
    const on = {
      send: (way) => this.send(way),
      enlarge: () => this.enlarge(),
      look: () => this.look(),
      compare: () => this.compare(),
      rate: (stars) => this.rate(stars),
      erase: () => this.erase(),
      tell: (key) => this.tell(this.say(key)),
    };
    this.view = viewer(this.find(".frame"), {
      tell: this.say,
      screen: this.find(".canvas"),
      onStep: (way) => this.step(way),
    });
    this.verbs = new Verbs(this.find(".verbs"), this.say, on, (item) => this.textOf(item));
    this.proved = new Proved(this.find(".proof"), this.say, this.talk, {
      tell: (text) => this.tell(text),
      changed: () => this.refresh(),
    });
    this.find(".promise").textContent = this.say("empty");
    welcome(this.find(".first"), this.say);
    this.find(".strip").setAttribute("aria-label", this.say("strip"));
    this.find(".canvas").hidden = false;
  }

  get film() {
    return filmOf(this.run, this.recent);
  }

  get item() {
    return this.film.find((item) => item.id === this.shown) ?? null;
  }

  // -- what is shown

  /** The server told of the run's pictures. */
  take() {
    const { items = [], selected = -1 } = this.props.value ?? {};
    this.run = items;
    this.choose(shownAfter(items, selected, this.shown, this.isPinned));
    this.refresh();
  }

  /** The newest pictures, whoever made them, and what is kept of them. */
  async refresh() {
    try {
      const page = await this.talk(`page?kind=image&limit=${RECENT}`);
      this.recent = page.items.filter((entry) => !entry.unreadable).map(fromHistory);
      this.isKnown = true;
    } catch {
      return; // the program is gone for a moment: what is shown stays
    }
    const known = new Map(this.recent.map((item) => [item.id, item]));
    this.run = this.run.map((item) => ({ ...item, ...known.get(item.id), label: item.label }));
    if (this.shown || !this.recent.length) this.draw();
    else this.choose(this.recent[0].id);
  }

  choose(id, { byHand = false } = {}) {
    if (byHand) this.isPinned = true; // until the next run begins: one that is told again takes nobody away
    if (id !== this.shown) {
      this.before = this.shown;
      this.shown = id;
      this.find(".told").replaceChildren();
      this.#showLooks(false);
    }
    this.draw();
    this.props.value = { ...this.props.value, place: this.item?.id ?? "", send: "" };
    if (byHand || !this.hasPreview) this.#showItem();
  }

  step(way) {
    const next = neighbour(this.film, this.shown, way);
    if (next) this.choose(next, { byHand: true });
  }

  /** `Live` tells of the run: a preview stands in the frame in the size of what will come. */
  follow({ state, preview, size }) {
    const isRunning = ["queued", "running"].includes(state);
    if (isRunning && !this.isRunning) this.isPinned = false;
    const ended = this.isRunning && !isRunning;
    this.isRunning = isRunning;
    this.hasPreview = Boolean(preview);
    if (preview && !this.isPinned) {
      this.view.preview({ url: preview, size, text: this.say("preview") });
      this.find(".empty").hidden = true;
    }
    if (ended) this.#end();
  }

  #showItem() {
    const { item } = this;
    if (item) this.view.show({ url: item.url, text: item.text });
    else this.view.clear();
  }

  /** After a run the last picture is there again, also where none was made. */
  #end() {
    this.hasPreview = false;
    this.#showItem();
    this.refresh();
  }

  draw() {
    const { film, item } = this;
    this.find(".empty").hidden = !this.isKnown || Boolean(film.length);
    this.find(".canvas").classList.toggle("filled", Boolean(item));
    this.find(".caption").textContent = item?.text ?? "";
    this.#drawStrip(film);
    const canCompare = film.some((one) => one.id === this.before && one.id !== this.shown);
    this.verbs.show(item, canCompare);
    rest("form_seed_reuse", !item);
    this.proved.show(item);
  }

  #drawStrip(film) {
    const strip = this.find(".strip");
    const told = JSON.stringify(film.map((item) => [item.id, item.thumb, item.isRecent, timesOf(film, item)]));
    if (told !== this.told) {
      this.told = told;
      const first = film.findIndex((item) => item.isRecent);
      const cells = film.map((item) => this.#cell(item));
      if (first > 0) cells.splice(first, 0, make("span", { class: "between", text: this.say("recent") }));
      strip.replaceChildren(...cells);
    }
    const cells = [...strip.querySelectorAll("button")];
    const stop = cells.find((one) => one.dataset.id === this.shown) ?? cells[0];
    for (const one of cells) {
      one.setAttribute("aria-selected", String(one.dataset.id === this.shown));
      one.tabIndex = one === stop ? 0 : -1; // Tab comes once; arrows go on
    }
  }

  #cell(item) {
    const image = make("img", { loading: "lazy", src: item.thumb, alt: item.text });
    const label = make("span", { text: item.label });
    const times = timesOf(this.film, item);
    const mark = times && make("span", { class: "times", text: times });
    const attributes = {
      role: "option",
      title: item.text,
      "aria-label": `${this.say("seed")} ${item.label}`,
      "data-id": item.id,
      class: item.isRecent ? "recent" : "run",
    };
    const choose = () => this.choose(item.id, { byHand: true });
    return makeButton({ ...attributes, onclick: choose }, image, label, mark);
  }

  // -- what is done with it

  tell(text, undo = null) {
    const again = undo && makeButton({ class: "undo", text: this.say("undo"), onclick: undo });
    this.find(".told").replaceChildren(text, ...(again ? [" ", again] : []));
  }

  send(way) {
    this.props.value = { ...this.props.value, place: this.item?.id ?? "", send: way };
    this.trigger("select");
  }

  /** What is told of the words lies over the canvas; it goes with the picture that it is told of. */
  #showLooks(isShown) {
    document.body.toggleAttribute("data-looks", isShown);
  }

  look() {
    if (document.body.hasAttribute("data-looks")) {
      this.#showLooks(false);
      return;
    }
    this.#showLooks(true);
    this.props.value = { ...this.props.value, place: this.item?.id ?? "", send: "" };
    this.trigger("expand");
  }

  compare() {
    const before = this.film.find((item) => item.id === this.before);
    if (before && this.item) this.view.compare(before, this.item);
  }

  async #act(action, ids, value = "") {
    try {
      return await this.talk("act", { action, ids, value });
    } catch (error) {
      this.tell(error.message);
      return null;
    }
  }

  async rate(stars) {
    if (await this.#act("rate", [this.item.picture], String(stars))) await this.refresh();
  }

  async erase() {
    const { item } = this;
    const next = neighbour(this.film, item.id, 1) ?? neighbour(this.film, item.id, -1);
    const done = await this.#act("delete", [item.picture]);
    if (!done?.ids.length) {
      if (done) this.tell(done.problem ?? this.say("gone"));
      return;
    }
    this.run = this.run.filter((one) => one.id !== item.id);
    this.recent = this.recent.filter((one) => one.id !== item.id);
    this.choose(next ?? "", { byHand: true });
    this.tell(this.say("deleted"), async () => {
      await this.#act("restore", done.ids);
      await this.refresh();
      this.choose(item.id, { byHand: true });
    });
  }

  /** Into a larger one, which is shown when it is there, unless another was chosen meanwhile. */
  async enlarge() {
    const { item } = this;
    const go = async (wish) => {
      const { jobs } = await this.talk("upscale", { ids: [item.picture], ...wish });
      const isHere = () => this.element.isConnected;
      followLarger(this.talk, jobs[0], isHere, (told) => this.#followed(item, told));
    };
    try {
      const { width, height } = await this.talk(`picture/${item.picture}`);
      await askLarger(this.find("dialog.larger"), { talk: this.talk, say: this.say, size: [width, height], go });
    } catch (error) {
      this.tell(error.message);
    }
  }

  async #followed(item, told) {
    const isShown = this.shown === item.id;
    if (told.ids.length) await this.refresh();
    const larger = this.film.find(({ picture }) => told.ids.includes(picture));
    if (isShown && larger) this.choose(larger.id, { byHand: true });
    if (isShown) this.tell(lineOf(told, this.say));
  }

  async textOf(item) {
    return (await this.talk(`picture/${item.picture}`)).copied;
  }

  listen() {
    onPage(this.element, "seedprint:live", ({ detail }) => this.follow(detail));
    document.dispatchEvent(new CustomEvent("seedprint:ask")); // a run may have been told before this was there
    onPage(this.element, "seedprint:back", () => this.refresh()); // from another page, where pictures may be deleted
    this.find(".strip").addEventListener("keydown", (event) => {
      const way = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (!way) return;
      event.preventDefault();
      this.step(way);
      this.find('.strip [aria-selected="true"]')?.focus();
    });
  }
}

export function mount(parts, { words }) {
  const canvas = new Canvas(parts, words);
  canvas.listen();
  canvas.take();
  parts.watch("value", () => {
    if (parts.props.value?.items !== canvas.taken) {
      canvas.taken = parts.props.value?.items;
      canvas.take();
    }
  });
}
