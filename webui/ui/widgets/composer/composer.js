import { finder, make, makeButton, onPage, textBox, textOf, typeInto, whileThere } from "../shared/dom.js";
import { language, speaker } from "../shared/words.js";
import { listenToKeys } from "./keys.js";
import { OwnPresets } from "./own_presets.js";
import { groupsOf, litOf } from "./toggles.js";

const KINDS = ["builtin", "words", "styles", "mine"];
const LOOKS = 400; // milliseconds between looks at the prompt
let fetched = null; // the library: one copy for the composers of all tabs

class Composer {
  constructor(parts, { words, task }) {
    const { element, props, trigger, server } = parts;
    Object.assign(this, { element, props, trigger, server, task });
    this.find = finder(element.querySelector(".composer"));
    this.root = element.querySelector(".composer");
    this.say = speaker(words);
    this.library = null;
    this.toggles = [];
    this.kind = "";
    this.seen = null; // the prompt that is lit
    this.caret = null;
    const exported = async () => (await server.change(["export", String(language())])).csv;
    this.own = new OwnPresets(parts, this.say, (...request) => this.change(...request), exported);
  }

  label() {
    const find = this.find;
    find(".title").textContent = this.say("composer");
    find(".rows").setAttribute("aria-label", this.say("composer"));
    for (const name of ["find", "name"]) {
      find(`.${name}`).placeholder = this.say(name);
      find(`.${name}`).setAttribute("aria-label", this.say(name));
    }
    find(".save").textContent = this.say("save");
    find(".hint").textContent = this.say("hint");
  }

  get isReady() {
    return this.root.open && this.library !== null;
  }

  tell(text, state = "") {
    this.find(".told").textContent = text;
    this.find(".told").dataset.state = state;
  }

  // -- what is offered

  /** Fetched when first opened. */
  async open() {
    if (!this.root.open || this.library) return;
    this.tell(this.say("loading"));
    try {
      fetched ??= this.server.library();
      this.library = await fetched;
    } catch {
      fetched = null;
      this.tell(this.say("failed"));
      return;
    }
    const problems = this.library.problems.map((problem) => problem[language()]);
    this.tell(problems.join(" · "), "refused");
    this.kind = this.props.value?.builtin ? "builtin" : "words";
    this.draw();
  }

  draw() {
    const isMine = this.kind === "mine";
    this.toggles = [];
    this.find(".find").style.visibility = isMine ? "hidden" : "";
    this.find(".kinds").replaceChildren(...KINDS.map((kind) => this.kindButton(kind)));
    if (isMine) {
      this.find(".count").textContent = "";
      this.change("");
      return;
    }
    const groups = groupsOf(this.library, this.kind, language());
    this.find(".rows").replaceChildren(...groups.map((group) => this.row(group)));
    this.find(".rows").classList.toggle("all", this.kind === "builtin");
    this.filter();
    this.light();
  }

  kindButton(kind) {
    const choose = () => {
      this.kind = kind;
      this.draw();
    };
    const attributes = { title: this.say(`${kind}_title`), "aria-pressed": String(kind === this.kind) };
    return makeButton({ ...attributes, text: this.say(kind), onclick: choose });
  }

  row(group) {
    const label = `${this.say("more")} ${group.name}`;
    const attributes = { class: "more", title: this.say("more"), "aria-expanded": "false", "aria-label": label };
    const more = makeButton({ ...attributes, text: "⋯" });
    const chips = make("div", { class: "chips", role: "group", "aria-label": group.name });
    const title = group.strong ? `${group.does} ${this.say("strong")}` : group.does;
    const name = make("div", { class: "label", title, text: group.name });
    const row = make("div", { class: group.strong ? "row strong" : "row" }, name, chips, more);
    more.onclick = () => more.setAttribute("aria-expanded", String(row.classList.toggle("open")));
    for (const toggle of group.toggles) chips.append(this.chip(toggle, row));
    chips.onscroll = () => {
      chips.scrollTop = 0; // the keyboard came to one that was cut off
      row.classList.add("open");
    };
    return row;
  }

  chip(toggle, row) {
    const button = makeButton({ text: toggle.label, title: toggle.title, "aria-pressed": "false" });
    button.onclick = () => this.press(toggle, button.getAttribute("aria-pressed") === "true");
    this.toggles.push({ ...toggle, button, row });
    return button;
  }

  press(toggle, lit) {
    const boxes = { prompt: textOf(this.task, "prompt"), negative_prompt: textOf(this.task, "negative_prompt") };
    for (const [name, text] of Object.entries(toggle.press(lit, boxes, this.caret))) {
      const area = textBox(this.task, name);
      if (area && text !== boxes[name]) typeInto(area, text);
    }
    if (!lit && toggle.atCaret && this.caret !== null) this.caret += toggle.word.length;
    this.light();
  }

  /** What the prompt holds is lit. */
  light() {
    const prompt = textOf(this.task, "prompt");
    const lit = litOf(this.toggles, prompt);
    const rows = new Map();
    this.seen = prompt;
    for (const toggle of this.toggles) {
      toggle.button.setAttribute("aria-pressed", String(lit.has(toggle)));
      rows.set(toggle.row, (rows.get(toggle.row) ?? 0) + lit.has(toggle));
    }
    for (const [row, count] of rows) row.querySelector(".more").textContent = count ? `⋯ ${count}` : "⋯";
    this.find(".count").textContent = lit.size ? String(lit.size) : "";
  }

  lightIfChanged() {
    if (this.isReady && textOf(this.task, "prompt") !== this.seen) this.light();
  }

  filter() {
    const wanted = this.find(".find").value.trim().toLowerCase();
    const kept = new Set();
    this.find(".rows").classList.toggle("found", wanted !== "");
    for (const { button, row, text } of this.toggles) {
      button.hidden = wanted !== "" && !text.includes(wanted);
      if (!button.hidden) kept.add(row);
    }
    for (const row of this.find(".rows").children) row.hidden = !kept.has(row);
  }

  // -- one's own presets

  async change(action, ...rest) {
    const answer = await this.server.change([action, String(language()), ...rest]);
    this.tell(answer.told, answer.state);
    if (this.kind === "mine") this.find(".rows").replaceChildren(...this.own.rows(answer.mine, answer.gone));
    if (action) this.trigger("select", { index: 0, value: action });
  }

  /** Keeps the form as a preset of the name that is typed. */
  keep() {
    const name = this.find(".name").value.trim();
    if (!name) {
      this.find(".name").focus();
      return;
    }
    this.props.value = { ...this.props.value, name, told: "", asked: Date.now() };
    this.trigger("submit");
  }

  take() {
    const { told = "", state = "", builtin } = this.props.value ?? {};
    this.tell(told, state);
    if (state === "saved" && told) {
      this.find(".name").value = "";
      if (this.kind === "mine") this.draw();
    }
    if (builtin !== this.builtin) this.follow(builtin);
  }

  /** Another model: its words are shown where words were. */
  follow(builtin) {
    this.builtin = builtin;
    if (!this.library || !["builtin", "words"].includes(this.kind)) return;
    this.kind = builtin ? "builtin" : "words";
    this.draw();
  }

  listen() {
    const { element, find, root } = this;
    find(".find").oninput = () => this.filter();
    find(".save").onclick = () => this.keep();
    find(".name").addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || event.ctrlKey) return;
      event.preventDefault();
      this.keep();
    });
    root.addEventListener("toggle", () => this.open());
    onPage(element, "input", (event) => {
      if (event.target === textBox(this.task, "prompt")) this.lightIfChanged();
    });
    onPage(element, "selectionchange", () => {
      const area = textBox(this.task, "prompt");
      if (area && document.activeElement === area) this.caret = area.selectionEnd;
    });
    // presets and sent settings change the box without an event
    whileThere(element, LOOKS, () => {
      if (root.offsetParent !== null) this.lightIfChanged();
    });
  }
}

export function mount(parts, options) {
  const composer = new Composer(parts, options);
  composer.builtin = parts.props.value?.builtin;
  composer.label();
  composer.listen();
  composer.open(); // where a person was quicker than this script
  listenToKeys();
  parts.watch("value", () => composer.take());
}
