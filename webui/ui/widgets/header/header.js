import { talker } from "../history/talk.js";
import { finder, make, makeButton, onPage } from "../shared/dom.js";
import { speaker } from "../shared/words.js";

class Header {
  constructor(element, words, onWarm) {
    this.onWarm = onWarm;
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
    const box = this.find(".state");
    const before = box.dataset.state;
    box.dataset.state = state;
    box.textContent = text;
    box.title = text;
    if (before === "warming" && state !== before) this.onWarm();
  }

  /** What the page has just asked the program for. */
  draw({ total, held, engine, notices }) {
    this.drawQueue({ total, held: Boolean(held) });
    this.drawState(engine);
    this.drawNotices(notices);
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

  async dismiss(id) {
    try {
      await this.talk(`/${id}/dismiss`, {});
    } catch (error) {
      this.drawNotices([{ id, text: error.message }]);
      return;
    }
    document.dispatchEvent(new CustomEvent("seedprint:look"));
  }
}

export function mount({ element, props, trigger, watch }, { words }) {
  const header = new Header(element, words, () => trigger("submit"));
  const draw = () => header.drawState(props.value ?? {});
  draw();
  watch("value", draw);
  onPage(element, "seedprint:gone", () => header.drawState({ state: "gone", text: header.say("no_answer") }));
  onPage(element, "seedprint:queue", ({ detail }) => header.draw(detail));
  onPage(element, "keydown", (event) => {
    if (event.key === "Escape") header.openQueue(false);
  });
}
