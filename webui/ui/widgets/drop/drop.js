import { finder, make, makeButton, onPage } from "../shared/dom.js";
import { speaker } from "../shared/words.js";
import { WAYS, isInfotext, likelyWay, pictureIn } from "./given.js";

const LINGERS = 400; // milliseconds the hint stays when the pointer has left without a word
const PROMPTS = "#form_prompt textarea, #form_negative_prompt textarea";
const WRITING = "input, textarea, [contenteditable=true]";

const holdsFiles = (event) => Boolean(event.dataTransfer) && [...event.dataTransfer.types].includes("Files");

function hintOf(box, text) {
  let over = 0;
  box.querySelector(".text").textContent = text;
  return (on) => {
    clearTimeout(over);
    box.hidden = !on;
    if (on) {
      over = setTimeout(() => {
        box.hidden = true;
      }, LINGERS);
    }
  };
}

class Anywhere {
  constructor({ element, props, trigger, upload }, words) {
    Object.assign(this, { element, props, trigger, upload });
    this.find = finder(element);
    this.say = speaker(words);
    this.hint = hintOf(this.find(".drop-hint"), this.say("drop_here"));
  }

  /** The program has answered. */
  take() {
    const { error, told, before } = this.props.value ?? {};
    this.tell(error ?? told ?? "", {
      isFault: Boolean(error),
      undo: before && (() => this.#send("select", { before })),
    });
  }

  tell(text, { isFault = false, undo = null } = {}) {
    const box = this.find(".told");
    const name = this.say("dismiss");
    box.hidden = !text;
    box.classList.toggle("fault", isFault);
    box.replaceChildren(
      make("span", { text }),
      ...(undo ? [makeButton({ class: "undo", text: this.say("undo"), onclick: undo })] : []),
      makeButton({ text: "×", title: name, "aria-label": name, onclick: () => this.tell("") }),
    );
  }

  #send(event, value) {
    this.props.value = value;
    this.trigger(event);
  }

  /** What is the picture for? */
  ask(file) {
    this.tell("");
    const dialog = this.find("dialog");
    const url = URL.createObjectURL(file);
    const image = make("img", { src: url, alt: file.name, onerror: () => image.remove() });
    const choose = (way) => {
      dialog.close();
      this.#sendPicture(file, way);
    };
    const buttons = WAYS.map((way) => makeButton({ value: way, text: this.say(way), onclick: () => choose(way) }));
    const close = makeButton({ class: "close", text: this.say("cancel"), onclick: () => dialog.close() });
    const question = make("h2", { id: "given_question", text: this.say("question") });
    dialog.setAttribute("aria-labelledby", question.id);
    dialog.replaceChildren(question, image, ...buttons, close);
    dialog.onclose = () => URL.revokeObjectURL(url);
    if (!dialog.open) dialog.showModal();
    dialog.querySelector(`[value=${likelyWay(document.body.dataset.task)}]`).focus();
  }

  async #sendPicture(file, way) {
    window.seedprintLeave();
    try {
      const { path } = await this.upload(file);
      this.#send("upload", { uploaded: path, way });
    } catch {
      this.tell(this.say("refused"), { isFault: true });
    }
  }

  // places that take files or pasted texts themselves have said so by preventDefault when the event arrives here
  listen() {
    const { element } = this;
    onPage(element, "dragover", (event) => {
      if (!holdsFiles(event)) return;
      this.hint(!event.defaultPrevented);
      event.preventDefault();
    });
    onPage(element, "drop", (event) => {
      this.hint(false);
      if (!holdsFiles(event) || event.defaultPrevented) return;
      event.preventDefault();
      if (event.dataTransfer.files[0]) this.ask(event.dataTransfer.files[0]);
    });
    onPage(element, "seedprint:pressed", () => this.tell("")); // what was told of the form is of the past
    onPage(element, "click", ({ target }) => {
      if (target.closest?.("#form_undo, #form_reset, #canvas .verbs button")) this.tell("");
    });
    onPage(element, "paste", (event) => {
      if (!event.defaultPrevented && event.clipboardData) this.paste(event);
    });
  }

  paste(event) {
    const text = event.clipboardData.getData("text/plain");
    const picture = pictureIn(event.clipboardData, Boolean(event.target.closest?.(WRITING)));
    if (event.target.matches?.(PROMPTS) && isInfotext(text)) this.#send("submit", { text });
    else if (picture) this.ask(picture);
    else return;
    event.preventDefault();
  }
}

export function mount(parts, { words }) {
  const anywhere = new Anywhere(parts, words);
  anywhere.listen();
  parts.watch("value", () => anywhere.take());
}
