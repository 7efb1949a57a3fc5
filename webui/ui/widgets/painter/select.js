// Things that are selected by clicks: the program finds them, and what it finds becomes part of the mask.

const ROUTE = "/select";

/** What clicks on one thing say, and the mask as it was before them. */
export class Clicks {
  constructor() {
    this.end();
  }

  /** The next click is on another thing. */
  end() {
    this.places = [];
    this.before = null;
    this.isErasing = false; // a thing whose first click takes away is taken out of the mask
  }

  /** What to ask for with this click besides. */
  with([x, y], takesAway) {
    const isFirst = !this.places.length;
    return [...this.places, [x, y, isFirst || takesAway === this.isErasing]];
  }

  keep(places, before, takesAway) {
    if (!this.places.length) Object.assign(this, { before, isErasing: takesAway });
    this.places = places;
  }

  /** The last click is taken back. */
  undo() {
    this.places = this.places.slice(0, -1);
    if (!this.places.length) this.end();
  }
}

async function told(answer) {
  try {
    return (await answer.json()).detail ?? "";
  } catch {
    return "";
  }
}

export class Select {
  /** `canvas`: what is painted on; `source()`: the picture's name; `commit()`: the mask changed; `say(key)`; `note` and
   * `fault`: write a sentence. */
  constructor(parts) {
    Object.assign(this, parts);
    this.clicks = new Clicks();
    this.turn = 0;
    this.isAsking = false;
    this.missing = "";
  }

  /** Whether the program has what it takes. */
  async look() {
    try {
      const answer = await fetch(ROUTE);
      if (answer.ok) this.missing = (await answer.json()).missing;
    } catch {
      // the program is away, which the page says elsewhere
    }
    return this.missing;
  }

  /** Whatever else changes the mask comes between: what is on its way belongs to a mask that was. */
  end() {
    this.turn += 1;
    this.isAsking = false;
    this.clicks.end();
    this.note("");
  }

  /** The last click; whether it was still on its way, so that the mask is as it was before it. */
  undo() {
    this.turn += 1;
    if (this.isAsking || this.clicks.places.length) this.note(this.say("select_how"));
    if (!this.isAsking) this.clicks.undo();
    const was = this.isAsking;
    this.isAsking = false;
    return was;
  }

  async click(place, takesAway) {
    const turn = ++this.turn;
    const clicks = this.clicks.with(place, takesAway);
    this.isAsking = true;
    this.note(this.say("selecting"));
    this.fault("");
    try {
      const mask = await this.#asked(clicks);
      if (turn !== this.turn) return;
      this.isAsking = false;
      this.clicks.keep(clicks, this.canvas.pixels(), takesAway);
      this.canvas.remember();
      this.canvas.join(this.clicks.before, mask, this.clicks.isErasing);
      this.note(this.say("select_how")); // the line stays, so the picture does
      this.commit();
    } catch (error) {
      if (turn !== this.turn) return;
      this.isAsking = false;
      this.note(this.say("select_how"));
      this.fault(error.message || this.say("unsent"));
    }
  }

  async #asked(clicks) {
    const body = JSON.stringify({ source: this.source(), clicks });
    const answer = await fetch(ROUTE, { method: "POST", headers: { "content-type": "application/json" }, body });
    if (!answer.ok) throw new Error(await told(answer));
    return createImageBitmap(await answer.blob());
  }
}
