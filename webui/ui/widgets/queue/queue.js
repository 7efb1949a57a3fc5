import { talker } from "../history/talk.js";
import { finder, make, makeButton, onPage, whileThere } from "../shared/dom.js";
import { speaker } from "../shared/words.js";

const OFTEN = 1500; // milliseconds between two looks
const IDLE = 3; // only every so many of them while nothing is queued and the engine is warm

const CELLS = ["place", "kind", "about", "done", "state"];

function row(item, place, cancel) {
  const cells = CELLS.map((name) => make("span", { class: name, text: name === "place" ? place + 1 : item[name] }));
  cells[2].title = item.about;
  return make("li", { "data-id": item.id }, ...cells, cancel);
}

function deviceRow({ name, text, work }) {
  const cells = Object.entries({ name, text, work }).map(([kind, told]) => make("span", { class: kind, text: told }));
  cells[2].title = work;
  return make("li", {}, ...cells);
}

class QueueList {
  constructor(element, words) {
    this.find = finder(element);
    this.say = speaker(words);
    this.talk = talker(this.say("failed"), undefined, "/queue");
    this.count = 0;
    this.ticks = 0;
    this.isBusy = true;
    this.find(".all").textContent = this.say("cancel_all");
    this.find(".all").onclick = () => this.cancelAll();
    this.find(".again").textContent = this.say("again");
    this.find(".none").textContent = this.say("none");
    this.find(".again").onclick = () => this.act("/again");
  }

  cancelAll() {
    if (confirm(this.say("sure", { count: this.count }))) this.act("/cancel");
  }

  async act(path) {
    try {
      await this.talk(path, {});
    } catch (error) {
      this.tell(error.message);
      return;
    }
    await this.look();
  }

  /** One tick of the clock. */
  tick() {
    this.ticks = (this.ticks + 1) % IDLE;
    if (!document.hidden && (this.isBusy || !this.ticks)) this.look();
  }

  async look() {
    try {
      this.draw(await this.talk(""));
    } catch {
      // the program has ended, or is closing: what is shown stays until it answers
      document.dispatchEvent(new CustomEvent("seedprint:gone"));
    }
  }

  tell(why) {
    this.find(".held").hidden = !why;
    this.find(".why").textContent = why;
  }

  /** The header shows the rest. */
  draw(told) {
    const { items, total, held } = told;
    this.count = total;
    this.isBusy = Boolean(total || held) || told.engine.state === "warming";
    document.dispatchEvent(new CustomEvent("seedprint:queue", { detail: told }));
    this.find(".none").hidden = Boolean(total || held);
    this.tell(held);
    this.find(".head").hidden = !total;
    this.find(".title").textContent = this.say("title", { count: total });
    const more = total - items.length;
    this.find(".more").textContent = more > 0 ? this.say("more", { count: more }) : "";
    this.find(".devices").hidden = !told.devices.length;
    this.find(".devices").replaceChildren(...told.devices.map(deviceRow));
    this.drawJobs(items);
  }

  /** Drawn anew only when something is another: a button that is pressed must not vanish under the finger. */
  drawJobs(items) {
    const told = JSON.stringify(items);
    if (told === this.told) return;
    this.told = told;
    const end = (id) => makeButton({ text: this.say("cancel"), onclick: () => this.act(`/${id}/cancel`) });
    this.find(".jobs").replaceChildren(...items.map((item, place) => row(item, place, end(item.id))));
  }
}

export function mount({ element }, { words }) {
  const list = new QueueList(element, words);
  list.look();
  onPage(element, "seedprint:look", () => list.look());
  onPage(element, "seedprint:pressed", () => {
    list.isBusy = true;
  });
  whileThere(element, OFTEN, () => list.tick());
}
