import { finder, make, makeButton } from "../shared/dom.js";
import { speaker } from "../shared/words.js";
import { factsOf, found, kindsOf } from "./listing.js";

const AGAIN = 1500; // milliseconds between looks for hashes, which come one after the other

class ModelList {
  constructor({ element, props, trigger }, words) {
    Object.assign(this, { element, props, trigger });
    this.find = finder(element);
    this.say = speaker(words);
    this.items = [];
    this.selected = null;
    this.kind = "";
    this.timer = null;
  }

  label() {
    const search = this.find(".search");
    search.placeholder = this.say("search");
    search.setAttribute("aria-label", this.say("search"));
    search.oninput = () => this.draw();
    this.find(".refresh").textContent = this.say("refresh");
    this.find(".refresh").onclick = () => this.report("input");
    this.find(".list").setAttribute("aria-label", this.say("list"));
  }

  report(event) {
    this.props.value = { selected: this.selected };
    this.trigger(event);
  }

  take() {
    const value = this.props.value ?? {};
    if ("selected" in value) this.selected = value.selected;
    if (!value.items) return;
    this.items = value.items;
    this.draw();
    clearTimeout(this.timer);
    if (this.items.some((item) => item.hashing)) this.askSoon();
  }

  /** Looked for only while somebody looks. */
  askSoon() {
    this.timer = setTimeout(() => {
      if (!this.element.isConnected) return;
      if (this.element.offsetParent === null) this.askSoon();
      else this.report("input");
    }, AGAIN);
  }

  draw() {
    this.drawKinds();
    const shown = found(this.items, this.kind, this.find(".search").value);
    this.find(".list").replaceChildren(...shown.map((item) => this.row(item)));
    const empty = this.say(this.items.length ? "nothing" : "none");
    this.find(".empty").textContent = shown.length ? "" : empty;
  }

  drawKinds() {
    const kinds = kindsOf(this.items, this.say("all"));
    if (!kinds.some(([kind]) => kind === this.kind)) this.kind = "";
    this.find(".kinds").replaceChildren(...kinds.map((one) => this.kindButton(one)));
    this.find(".kinds").style.display = kinds.length > 2 ? "" : "none";
  }

  kindButton([kind, title, count]) {
    const choose = () => {
      this.kind = kind;
      this.draw();
    };
    const pressed = String(kind === this.kind);
    return makeButton({ text: `${title} ${count}`, "data-kind": kind, "aria-pressed": pressed, onclick: choose });
  }

  row(item) {
    const cells = { name: item.name, kind: item.title, facts: factsOf(item, this.say), problem: item.problem };
    const spans = Object.entries(cells).map(([name, text]) => make("span", { class: name, text }));
    const selected = String(item.id === this.selected);
    const attributes = { role: "option", "data-id": item.id, "data-kind": item.kind, "aria-selected": selected };
    return makeButton({ ...attributes, onclick: () => this.choose(item) }, ...spans);
  }

  choose(item) {
    this.selected = item.id;
    for (const row of this.find(".list").children) {
      row.setAttribute("aria-selected", String(row.dataset.id === item.id));
    }
    this.report("select");
  }
}

export function mount(parts, { words }) {
  const list = new ModelList(parts, words);
  list.label();
  list.take();
  parts.watch("value", () => list.take());
}
