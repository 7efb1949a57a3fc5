import { talker } from "../history/talk.js";
import { finder, make, makeButton, onPage, textBox, textOf, whileThere } from "../shared/dom.js";
import { changeText } from "../shared/text_change.js";
import { speaker } from "../shared/words.js";
import { cardOf } from "./card.js";
import { isNamed, lorasIn, tagAt, tagAway, wordAt } from "./insertion.js";
import { found, foldersOf, kindsOf, misfit, ordered, placeAfter } from "./listing.js";
import { makePicture } from "./making.js";

const LOOKS = 400; // milliseconds between looks at the prompt
const ORDERS = ["use", "name"];
const BOXES = ["prompt", "negative_prompt"];

class Networks {
  constructor({ element, props, trigger }, { words, task }) {
    Object.assign(this, { element, props, trigger, task });
    this.root = element.querySelector(".networks");
    this.find = finder(this.root);
    this.say = speaker(words);
    this.talk = talker(this.say("failed"), undefined, "/networks");
    this.cards = [];
    this.kind = "";
    this.folder = "";
    this.box = BOXES[0]; // the one that was written in last
    this.carets = {}; // box -> where; none: at its end
    this.seen = null; // the prompt that is lit
  }

  label() {
    const { find, say } = this;
    find(".title").textContent = say("networks");
    find(".find").placeholder = say("find");
    find(".refresh").textContent = "⟳";
    const named = { find: "find", order: "order", refresh: "refresh", kinds: "kinds", folders: "folders" };
    for (const [place, key] of Object.entries({ ...named, cards: "networks" })) {
      find(`.${place}`).setAttribute("aria-label", say(key));
    }
    find(".refresh").title = say("refresh");
    find(".order").replaceChildren(...ORDERS.map((by) => make("option", { value: by, text: say(`by_${by}`) })));
  }

  tell(text, state = "") {
    this.find(".told").textContent = text;
    this.find(".told").dataset.state = state;
  }

  get model() {
    return this.cards.find((card) => card.kind === "checkpoint" && card.model === this.props.value?.model);
  }

  // -- what there is

  async look() {
    if (!this.root.open) return;
    if (!this.cards.length) this.tell(this.say("loading"));
    try {
      ({ cards: this.cards } = await this.talk(""));
      this.tell("");
      this.draw();
    } catch (error) {
      this.tell(error.message, "refused");
    }
  }

  draw() {
    const cards = found(this.cards, { kind: this.kind, folder: "", searched: "" });
    const folders = foldersOf(cards);
    if (!folders.some(({ path }) => path === this.folder)) this.folder = "";
    this.find(".kinds").replaceChildren(...kindsOf(this.cards).map((one) => this.kindButton(one)));
    const whole = { path: "", name: this.say("all"), depth: 0, count: cards.length };
    const buttons = [whole, ...folders].map((one) => this.folderButton(one));
    this.find(".folders").replaceChildren(...(folders.length > 1 ? buttons : []));
    this.drawCards();
  }

  drawCards() {
    const { kind, folder, model } = this;
    const focused = document.activeElement?.closest(".card")?.dataset.id;
    const wanted = { kind, folder, searched: this.find(".find").value };
    const shown = ordered(found(this.cards, wanted), this.find(".order").value);
    const acts = {
      use: (card, event) => this.use(card, event),
      word: (word, event) => this.write(word, this.box, wordAt, event),
      negative: (word, event) => this.write(word, "negative_prompt", wordAt, event),
      make: (card) => this.make(card),
    };
    const whyNot = (card) => {
      const reason = misfit(card, model);
      return card.problem || (reason ? this.say(...reason) : "");
    };
    this.find(".cards").replaceChildren(...shown.map((card) => cardOf(card, whyNot(card), this.say, acts)));
    this.find(".empty").textContent = shown.length ? "" : this.say(this.cards.length ? "nothing" : "none");
    this.activate(shown.findIndex((card) => card.id === focused));
    this.light();
  }

  kindButton([kind, count]) {
    const choose = () => {
      this.kind = kind;
      this.draw();
      this.find(`.kinds [data-kind="${kind}"]`).focus();
    };
    const pressed = String(kind === this.kind);
    const text = `${this.say(kind || "all")} ${count}`;
    return makeButton({ text, "data-kind": kind, "aria-pressed": pressed, onclick: choose });
  }

  folderButton({ path, name, depth, count }) {
    const choose = () => {
      this.folder = path;
      this.draw();
      [...this.find(".folders").children].find((button) => button.title === path)?.focus();
    };
    const parts = [make("span", { class: "folder", text: name }), make("span", { class: "many", text: count })];
    const pressed = String(path === this.folder);
    const button = makeButton({ title: path, "aria-pressed": pressed, onclick: choose }, ...parts);
    button.style.setProperty("--depth", depth);
    return button;
  }

  // -- what a card does

  use(card, event) {
    if (event.currentTarget.ariaDisabled === "true") return;
    if (card.kind === "checkpoint") {
      this.props.value = { model: this.props.value?.model, wanted: card.model };
      this.trigger("select");
    } else if (card.kind === "embedding") {
      this.write(card.tag, this.box, wordAt, event);
    } else {
      const away = tagAway(textOf(this.task, "prompt"), card.model);
      this.write(card.tag, "prompt", away ? () => away : tagAt, event);
    }
  }

  /** `how` says what comes in which place. Who pressed a key stays at the card; a click leads into the prompt. */
  write(piece, name, how, event) {
    const area = textBox(this.task, name);
    if (!area) return;
    const caret = Math.min(this.carets[name] ?? area.value.length, area.value.length);
    changeText(area, how(area.value, caret, piece));
    this.carets[name] = area.selectionEnd;
    this.light();
    if (event.detail === 0) event.currentTarget?.focus({ preventScroll: true });
  }

  async make(card) {
    const told = (text) => {
      const button = this.find(`.card[data-id="${card.id}"] .make`);
      if (button) Object.assign(button, { textContent: text, disabled: true });
    };
    const isThere = () => this.element.isConnected;
    try {
      card.picture = await makePicture(card.id, this.props.value?.model ?? "", {
        talk: this.talk,
        say: this.say,
        told,
        isThere,
      });
    } catch (error) {
      this.tell(`${card.name}: ${error.message}`, "refused");
    }
    this.drawCards();
  }

  /** What the prompt holds, and the model that is chosen, are lit. */
  light() {
    this.seen = textOf(this.task, "prompt");
    const loras = lorasIn(this.seen);
    this.find(".count").textContent = loras.size || "";
    for (const element of this.find(".cards").children) {
      const card = this.cards.find(({ id }) => id === element.dataset.id);
      const isNamedThere = card.kind === "lora" && isNamed(loras, card.model);
      const use = element.querySelector(".use");
      // what suits no more can be taken out
      use.setAttribute("aria-disabled", String("unfit" in element.dataset && !isNamedThere));
      use.title = isNamedThere ? this.say("take_lora", { name: card.name }) : use.dataset.hint;
      if (card.kind !== "embedding") use.setAttribute("aria-pressed", String(isNamedThere || card === this.model));
    }
  }

  take() {
    const { model } = this.props.value ?? {};
    if (model === this.drawnFor || !this.root.open) return;
    this.drawnFor = model;
    this.drawCards();
  }

  // -- keys: one stop for all cards, arrows lead from card to card

  activate(place) {
    const cards = [...this.find(".cards").children];
    const active = Math.max(0, place);
    cards.forEach((card, at) => {
      for (const button of card.querySelectorAll("button")) button.tabIndex = at === active ? 0 : -1;
    });
    if (place >= 0 && !this.root.contains(document.activeElement)) cards[active]?.querySelector(".use").focus();
  }

  pressed(event) {
    const card = event.target.closest(".card");
    const cards = [...this.find(".cards").children];
    const columns = cards.filter((one) => one.offsetTop === cards[0].offsetTop).length;
    const next = placeAfter(event.key, cards.indexOf(card), cards.length, columns);
    if (next === null || !event.target.matches(".use")) return;
    event.preventDefault();
    this.activate(next);
    cards[next].querySelector(".use").focus();
  }

  listen() {
    const { element, find, root } = this;
    root.addEventListener("toggle", () => this.look());
    find(".find").oninput = () => this.drawCards();
    find(".order").onchange = () => this.drawCards();
    find(".refresh").onclick = () => this.look();
    find(".cards").addEventListener("keydown", (event) => this.pressed(event));
    find(".cards").addEventListener("focusin", ({ target }) => {
      this.activate([...find(".cards").children].indexOf(target.closest(".card")));
    });
    onPage(element, "selectionchange", () => {
      const name = BOXES.find((one) => document.activeElement === textBox(this.task, one));
      if (!name) return;
      this.box = name;
      this.carets[name] = document.activeElement.selectionEnd;
    });
    // presets and sent settings change the box without an event
    whileThere(element, LOOKS, () => {
      if (root.open && textOf(this.task, "prompt") !== this.seen) this.light();
    });
  }
}

export function mount(parts, options) {
  const networks = new Networks(parts, options);
  networks.label();
  networks.listen();
  networks.look(); // where a person was quicker than this script
  parts.watch("value", () => networks.take());
}
