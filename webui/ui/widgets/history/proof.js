// Pictures made again and compared: a run of its own, which goes on when the dialog is closed.
import { make, makeButton } from "../shared/dom.js";
import { follow } from "./following.js";
import { STATES, VERDICTS, tallyOf } from "./verification.js";

const KEPT = "seedprint-verify"; // the run that this browser follows

export class Proof {
  /** `chip`: the button that opens the dialog again. `page`: the HistoryPage it belongs to. */
  constructor(dialog, chip, page) {
    Object.assign(this, { dialog, chip, page, tell: page.tell });
    this.run = "";
    this.share = 0;
    this.ids = new Set(); // of the pictures whose making again was asked for here, and is not done
    this.bar = make("progress", { max: "1", value: "0", "aria-label": this.tell("verify") });
    this.line = make("span", { class: "line", role: "status" });
    this.tally = make("div", { class: "tally" });
    this.found = make("div", { class: "found" });
    const end = page.notice.attempt(() => page.talk(`verify/${this.run}/cancel`, {}));
    this.halt = makeButton({ class: "cancel", text: this.tell("cancel"), onclick: end });
    const close = makeButton({ class: "close", text: this.tell("close"), onclick: () => dialog.close() });
    const title = make("h3", { text: this.tell("verify_all") });
    const heads = make("div", { class: "heads" }, title, make("span", { class: "room" }), this.halt, close);
    dialog.append(heads, this.bar, this.line, this.tally, this.found);
    chip.onclick = () => dialog.showModal();
    this.start = page.notice.attempt((ids) => this.#start(ids));
    this.check = page.notice.attempt((id) => this.#start([id], true));
  }

  async #start(ids, isQuiet = false) {
    const { job } = await this.page.talk("verify", { ids });
    this.ids = new Set(ids);
    this.#follow(job);
    if (!isQuiet) this.dialog.showModal();
  }

  /** Whether this picture waits for being made again, or is at it. */
  isAt(id) {
    return this.ids.has(id);
  }

  /** A run that was begun before this page was opened. */
  resume() {
    const kept = localStorage.getItem(KEPT);
    if (kept) this.#follow(kept);
  }

  #follow(job) {
    this.run = job;
    this.found.replaceChildren();
    localStorage.setItem(KEPT, job);
    this.chip.hidden = false;
    const isWanted = () => job === this.run && this.page.root.isConnected;
    follow(this.page.talk, job, isWanted, (told, progress) => {
      if (told) this.#draw(told, progress);
      else this.#forget();
    });
  }

  #forget() {
    localStorage.removeItem(KEPT);
    this.chip.hidden = true;
  }

  #draw(told, { share, isOver }) {
    this.bar.value = share;
    this.bar.hidden = this.halt.hidden = isOver;
    this.chip.textContent = `${this.tell("verify")} · ${told.done}/${told.total}`;
    this.line.textContent = told.error || this.tell(STATES[told.state], told.done, told.total);
    const counts = tallyOf(told.counts).map(([verdict, count]) =>
      make("span", { class: verdict, text: this.tell(VERDICTS[verdict], count) }),
    );
    this.tally.replaceChildren(...counts);
    this.found.append(...told.results.map((one) => this.#result(one)));
    this.share = share;
    for (const { id, verdict } of told.results) {
      this.ids.delete(id);
      this.page.proved(id, verdict);
    }
    if (isOver) this.ids.clear();
    this.page.large.checking();
  }

  #result({ html, thumb, verdict }) {
    const report = make("div");
    report.innerHTML = html; // escaped by the server
    const image = make("img", { src: thumb, alt: "", loading: "lazy" });
    return make("div", { class: "one", "data-verdict": verdict }, image, report);
  }
}
