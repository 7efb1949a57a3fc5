import { talker } from "../history/talk.js";
import { finder, make, makeButton, onPage, whileThere } from "../shared/dom.js";
import { speaker } from "../shared/words.js";

const OFTEN = 5000; // milliseconds between two looks

class Header {
  constructor(element, words) {
    this.find = finder(element);
    this.say = speaker(words);
    this.talk = talker(this.say("no_answer"), undefined, "/notices");
    this.find(".language").textContent = this.say("language");
    this.find(".language").onclick = () => window.seedprintSwitchLanguage();
    this.find(".theme").title = this.say("theme");
    this.find(".theme").setAttribute("aria-label", this.say("theme"));
    this.find(".theme").onclick = () => window.seedprintSwitchTheme();
    this.queue = this.find(".open-queue");
    this.queue.onclick = () => this.openQueue(!document.body.classList.contains("queue-open"));
    this.drawQueue({ total: 0, held: false });
  }

  drawQueue({ total, held }) {
    this.queue.textContent = `${held ? "⏸ " : ""}${this.say("queue")} (${total})`;
    this.queue.classList.toggle("held", held);
  }

  openQueue(isOpen) {
    document.body.classList.toggle("queue-open", isOpen);
    this.queue.setAttribute("aria-expanded", String(isOpen));
  }

  drawState({ state = "", text = "" }) {
    this.find(".state").dataset.state = state;
    this.find(".state").textContent = text;
  }

  /** Drawn anew only when something is another: a button that is pressed must not vanish under the finger. */
  drawNotices(items) {
    const told = JSON.stringify(items);
    if (told === this.told) return;
    this.told = told;
    this.find(".notices").hidden = !items.length;
    this.find(".notices").replaceChildren(...items.map((item) => this.row(item)));
  }

  row({ id, text }) {
    const label = this.say("dismiss");
    const button = makeButton({ text: "×", title: label, "aria-label": label, onclick: () => this.dismiss(id) });
    return make("li", { "data-id": id }, make("span", { text }), button);
  }

  async look() {
    try {
      const { items, ...engine } = await this.talk("");
      this.drawState(engine);
      this.drawNotices(items);
    } catch {
      // the program has ended, or is closing: what is shown stays until it answers
    }
  }

  async dismiss(id) {
    try {
      await this.talk(`/${id}/dismiss`, {});
    } catch (error) {
      this.drawNotices([{ id, text: error.message }]);
      return;
    }
    await this.look();
  }
}

export function mount({ element, props, watch }, { words }) {
  const header = new Header(element, words);
  const draw = () => header.drawState(props.value ?? {});
  draw();
  watch("value", draw);
  onPage(element, "seedprint:queue", ({ detail }) => header.drawQueue(detail));
  onPage(element, "keydown", (event) => {
    if (event.key === "Escape") header.openQueue(false);
  });
  header.look();
  whileThere(element, OFTEN, () => {
    if (!document.hidden) header.look();
  });
}
