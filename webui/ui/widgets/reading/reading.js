import { finder, make, makeButton, onPage, textBox, textOf, typeInto, whileThere } from "../shared/dom.js";
import { language, speaker } from "../shared/words.js";
import { countOf, countsOf, encoderTitle, kindOf, notesOf, partTitle, tokenTitle } from "./summary.js";

const RESTS = 120; // milliseconds the text has rested before it is asked about
const LOOKS = 500; // milliseconds between looks at the boxes

class Reading {
  constructor({ element, props, server }, { words, task, boxes }) {
    Object.assign(this, { element, props, server, task, boxes });
    this.find = finder(element.querySelector(".reading"));
    this.say = speaker(words);
    this.answer = {};
    this.which = "prompt"; // whose tokens are shown
    this.asked = null;
    this.takeOpening();
    this.isAsking = false;
    this.waiting = null;
  }

  /** What was read as the page opened. */
  takeOpening() {
    const { asked, answer } = this.settings;
    if (!answer) return;
    this.asked = JSON.stringify(asked);
    this.answer = answer;
  }

  get settings() {
    return this.props.value ?? {};
  }

  label() {
    this.find(".title").textContent = this.say("title");
    this.find(".tokens").setAttribute("aria-label", this.say("title"));
  }

  draw() {
    const { answer, boxes, find } = this;
    const counts = boxes.map((name) => countsOf(answer[name])).filter(Boolean);
    find(".chinese").replaceChildren(...boxes.flatMap((name) => [...this.offers(name), ...this.warnings(name)]));
    find(".counts").textContent = answer.fault ? answer.fault[language()] : counts.join(" · ");
    if (!find(".map").open) return;
    const reading = answer[this.which];
    const notes = reading ? notesOf(reading, this.settings, this.say) : [];
    find(".which").replaceChildren(...boxes.map((name) => this.boxButton(name)));
    find(".notes").replaceChildren(...notes.map((text) => make("p", { text })));
    find(".tokens").replaceChildren(...(reading ? this.chunks(reading) : []));
  }

  /** Chinese words of the library, offered in English; words that CLIP cannot read. */
  offers(name) {
    const found = this.answer[name]?.chinese;
    const lines = [];
    if (found?.text) {
      const apply = () => this.apply(name, found.text);
      const button = makeButton({ class: "apply", text: this.say("apply"), onclick: apply });
      const text = `${this.say("becomes")} `;
      lines.push(make("p", { class: "becomes", text }, make("code", { text: found.text }), " ", button));
    }
    if (found?.unknown.length) {
      const code = make("code", { text: found.unknown.join(" · ") });
      lines.push(make("p", { class: "unknown", text: `${this.say("unknown")} ` }, code, " ", this.say("unknown_more")));
    }
    return lines;
  }

  /** What will be refused when the picture is asked for, or was begun and not ended. */
  warnings(name) {
    const told = this.answer[name]?.warnings ?? [];
    return told.map((warning) => make("p", { class: "unknown", text: warning[language()] }));
  }

  apply(name, text) {
    const area = textBox(this.task, name);
    if (!area) return;
    typeInto(area, text);
    area.focus();
  }

  boxButton(name) {
    const choose = () => {
      this.which = name;
      this.draw();
    };
    return makeButton({ text: this.say(name), "aria-pressed": String(name === this.which), onclick: choose });
  }

  chunks(reading) {
    return reading.encoders.flatMap((chunks, place) => {
      const heading = encoderTitle(reading, place);
      return chunks.map((chunk, number) => this.chunk(reading, chunk, number + 1, heading));
    });
  }

  chunk(reading, chunk, number, heading) {
    const part = partTitle(chunk, reading.weights, this.settings.dialect === "compel", this.say);
    const room = this.say("chunk", { number, count: countOf(chunk), room: chunk.room });
    const words = chunk.words.map((word) => this.word(word));
    const shown = words.length ? words : [make("span", { text: this.say("empty") })];
    const label = make("div", { class: "label", text: heading + part + room });
    return make("div", { class: "chunk" }, label, make("div", { class: "words" }, ...shown));
  }

  word(word) {
    const tokens = word.tokens.map(([text, id]) => {
      const title = tokenTitle(word, id, this.say);
      return make("span", { class: "token", title, text }, make("small", { text: String(id) }));
    });
    const weight = { class: word.weight < 1 ? "weight less" : "weight", text: `×${word.weight}` };
    const mark = word.weight === 1 ? null : make("span", weight);
    return make("span", { class: `word ${kindOf(word)}`.trim() }, ...tokens, mark);
  }

  // -- asked when the text has rested for a moment; what changes meanwhile is asked next

  wanted() {
    const { model = "", dialect = "a1111" } = this.settings;
    return JSON.stringify([model || "", dialect || "a1111", ...this.boxes.map((name) => textOf(this.task, name))]);
  }

  async ask() {
    const wanted = this.wanted();
    if (this.isAsking || wanted === this.asked) return;
    this.isAsking = true;
    this.asked = wanted;
    try {
      this.answer = await this.server.read(JSON.parse(wanted));
      this.draw();
    } catch {
      this.asked = null; // the program is gone for a moment
    }
    this.isAsking = false;
  }

  askSoon() {
    clearTimeout(this.waiting);
    this.waiting = setTimeout(() => this.ask(), RESTS);
  }

  listen() {
    onPage(this.element, "input", (event) => {
      if (this.boxes.some((name) => event.target === textBox(this.task, name))) this.askSoon();
    });
    this.find(".map").addEventListener("toggle", () => this.draw());
    // presets and sent settings change the boxes without an event
    whileThere(this.element, LOOKS, () => {
      if (this.element.querySelector(".reading").offsetParent !== null) this.ask();
    });
  }
}

export function mount(parts, options) {
  const reading = new Reading(parts, options);
  reading.label();
  reading.draw();
  reading.listen();
  parts.watch("value", () => {
    reading.draw();
    reading.askSoon();
  });
}
