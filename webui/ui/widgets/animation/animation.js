import { talker } from "../history/talk.js";
import { finder, make, whileThere } from "../shared/dom.js";
import { speaker } from "../shared/words.js";
import { Player } from "./player.js";

const OFTEN = 700; // milliseconds between two looks at one that is made
const SAID = ["animation", "animation_text", "animation_paper", "recent", "text", "frame"];
const STILL = matchMedia("(prefers-reduced-motion: reduce)");
const FILES = ["webp", "apng", "gif"];

class View {
  constructor(element, words) {
    this.find = finder(element);
    this.say = speaker(words);
    this.talk = talker(this.say("failed"), undefined, "/animations");
    this.id = "";
    this.pictures = [];
    this.isWorking = false;
    this.player = new Player((place) => this.#show(place));
    for (const name of SAID) this.find(`.of-${name}`).textContent = this.say(name);
    this.#buttons();
    this.#rest();
  }

  #buttons() {
    const acts = {
      ".of-picture": ["of_picture", () => this.#begin()],
      ".plan": ["plan", () => this.#plan()],
      ".make": ["make", () => this.#make()],
      ".cancel": ["cancel", () => this.#cancel()],
      ".play": ["play", () => this.#turn()],
    };
    for (const [selector, [word, act]] of Object.entries(acts)) {
      const button = this.find(selector);
      button.textContent = this.say(word);
      button.onclick = () => button.getAttribute("aria-disabled") !== "true" && this.#surely(act);
    }
    this.find(".recent").onchange = ({ target }) => this.#surely(() => this.#choose(target.value));
    this.find(".at").oninput = ({ target }) => {
      this.#stop();
      this.player.go(Number(target.value));
    };
  }

  get #text() {
    return this.find(".text").value;
  }

  async #surely(act) {
    try {
      await act();
    } catch (error) {
      this.tell(error.message, "refused");
    }
  }

  tell(text, state = "idle") {
    this.find(".told").textContent = text;
    this.find(".told").dataset.state = state;
  }

  #rest() {
    this.find(".make").setAttribute("aria-disabled", String(this.isWorking));
    this.find(".cancel").setAttribute("aria-disabled", String(!this.isWorking));
  }

  /** The texts of earlier ones, the newest first. */
  async list() {
    const { items } = await this.talk("");
    this.items = new Map(items.map(({ id, text }) => [id, text]));
    const options = items.map(({ id, name }) => make("option", { value: id, text: name }));
    this.find(".recent").replaceChildren(make("option", { value: "", text: this.say("none") }), ...options);
    this.find(".recent").value = this.id;
  }

  async #choose(id) {
    if (!id) return;
    this.find(".text").value = this.items.get(id);
    this.#of(id);
    await this.look();
  }

  #of(id) {
    if (id === this.id) return;
    Object.assign(this, { id, pictures: [] });
    this.player.go(0);
  }

  async #begin() {
    const picture = document.querySelector("[data-begun=process]")?.dataset.picture;
    if (!picture) throw new Error(this.say("no_picture"));
    const before = this.#text;
    const { text } = await this.talk(`/of/${picture}`);
    const typed = this.#text !== before; // on the way
    if (!typed) this.find(".text").value = text;
    this.tell(typed ? this.say("typed") : "");
  }

  async #plan() {
    this.tell((await this.talk("/plan", { text: this.#text })).told);
  }

  async #make() {
    this.tell("…");
    this.#of((await this.talk("", { text: this.#text })).id);
    await this.list();
    await this.look();
  }

  async #cancel() {
    await this.talk(`/${this.id}/cancel`, {});
    await this.look();
  }

  /** How far it is. */
  async look() {
    const asked = this.id;
    const told = await this.talk(`/${asked}`);
    if (asked !== this.id) return; // another one was chosen meanwhile
    const wasWorking = this.isWorking;
    this.isWorking = told.state === "running";
    this.#rest();
    this.#progress(told);
    this.pictures = told.pictures;
    this.player.take(told.pictures.length, told.fps);
    this.find(".player").hidden = !told.pictures.length;
    this.find(".at").max = String(Math.max(0, told.pictures.length - 1));
    if (told.pictures.length && !this.player.isPlaying) this.player.go(this.isWorking ? told.pictures.length - 1 : 0);
    this.#files(told.state === "done");
    if (wasWorking && told.state === "done" && !this.player.isPlaying && !STILL.matches) this.#turn();
  }

  #progress({ state, frames, fps, pictures, step, steps, held, error }) {
    const done = pictures.length;
    this.find(".share").hidden = !this.isWorking;
    this.find(".share").value = (done + (steps ? step / steps : 0)) / frames;
    if (error) this.tell(error, "refused");
    else if (held) this.tell(held, "refused");
    else if (this.isWorking) this.tell(this.say("working", { frame: Math.min(done + 1, frames), frames, step, steps }));
    else this.tell(this.say(state === "done" ? "done" : "stopped", { done, frames, fps }));
  }

  #files(isDone) {
    const links = FILES.map((kind) =>
      make("a", { class: "act", href: `/animations/${this.id}/${kind}`, download: "", text: this.say(kind) }),
    );
    this.find(".files").replaceChildren(...(isDone ? links : []));
  }

  #show(place) {
    const picture = this.pictures[place];
    if (!picture) return;
    const told = this.say("player", { frame: place + 1, frames: this.pictures.length });
    const image = this.find(".shown");
    image.src = `/image/${picture}`;
    image.alt = told;
    this.find(".at").value = String(place);
    this.find(".at-told").textContent = told;
    new Image().src = `/image/${this.pictures[(place + 1) % this.pictures.length]}`;
  }

  #stop() {
    this.player.pause();
    this.find(".play").textContent = this.say("play");
  }

  #turn() {
    if (this.player.isPlaying) {
      this.#stop();
      return;
    }
    this.player.play();
    this.find(".play").textContent = this.say("pause");
  }

  /** One tick of the clock. */
  async tick() {
    if (!this.isWorking || document.hidden || this.isLooking) return;
    this.isLooking = true;
    await this.#surely(() => this.look());
    this.isLooking = false;
  }
}

export function mount({ element }, { words, example }) {
  const view = new View(element, words);
  element.querySelector(".text").value = example;
  const first = new IntersectionObserver((seen) => {
    if (!seen.some(({ isIntersecting }) => isIntersecting)) return;
    first.disconnect();
    view.list().catch((error) => view.tell(error.message, "refused"));
  });
  first.observe(element);
  whileThere(element, OFTEN, () => view.tick());
}
