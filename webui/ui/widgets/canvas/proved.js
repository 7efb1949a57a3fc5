// Whether the picture that is shown was made again, and what came of it; one press makes it again.
import { follow } from "../history/following.js";
import { badgeOf } from "../shared/badge.js";
import { make, makeButton } from "../shared/dom.js";

const nothing = () => null;

export class Proved {
  /** `talk`: with the history. `on`: tell(text), what went wrong; changed(), something was made again. */
  constructor(box, say, talk, on) {
    Object.assign(this, { box, say, talk, on });
    box.setAttribute("aria-label", say("proof"));
    this.item = null;
    this.badge = null; // of that picture, once the program told it
    this.shares = new Map(); // picture -> how far its making again is, 0 … 1
  }

  /** Of this picture, or of none. */
  show(item) {
    const isSame = item?.picture === this.item?.picture && item?.proof === this.item?.proof;
    if (!isSame) this.badge = null;
    this.item = item;
    this.#draw();
    if (item && !this.badge) this.#ask(item);
  }

  async #ask(item) {
    const full = await this.talk(`picture/${item.picture}`).catch(nothing); // not in the index yet, or gone
    if (!full || this.item?.picture !== item.picture) return;
    this.badge = full.badge;
    this.#draw();
  }

  async check({ picture }) {
    this.shares.set(picture, 0);
    this.#draw();
    try {
      const { job } = await this.talk("verify", { ids: [picture] });
      await follow(
        this.talk,
        job,
        () => this.box.isConnected,
        (told, progress) => this.#followed(picture, told, progress),
      );
    } catch (error) {
      this.on.tell(error.message);
    }
    this.shares.delete(picture);
    if (this.item?.picture === picture) this.#ask(this.item);
    this.on.changed();
  }

  #followed(picture, told, { share }) {
    this.shares.set(picture, share ?? 1);
    if (told?.error) this.on.tell(told.error);
    this.#draw();
  }

  #draw() {
    const { badge, item } = this;
    this.box.title = badge?.line ?? "";
    this.box.replaceChildren(...(item && (badge || item.proof) ? this.#parts(item) : []));
  }

  /** Until the program has told more. */
  #short(verdict) {
    return { verdict, line: this.say(`proof_${verdict}`), why: [], can: false };
  }

  #parts(item) {
    const { say, shares } = this;
    if (shares.has(item.picture)) {
      return [badgeOf("checking", say("checking", { n: Math.round(100 * shares.get(item.picture)) }))];
    }
    const { verdict, line, why, can } = this.badge ?? this.#short(item.proof);
    const said = badgeOf(verdict, line);
    const text = say(verdict === "not_yet" ? "check_now" : "check_again");
    const button = { class: "check", text, title: say("check_hint"), onclick: () => this.check(item) };
    return [why.length ? reasons(said, why) : said, ...(can ? [makeButton(button)] : [])];
  }
}

/** The badge, which opens what differs. */
function reasons(said, why) {
  const list = make("ul", {}, ...why.map((text) => make("li", { text })));
  return make("details", { class: "why" }, make("summary", {}, said), list);
}
