// What can be done with the picture that is shown large.
import { copyPicture, copyText } from "../shared/copying.js";
import { make, makeButton } from "../shared/dom.js";
import { fiveStars } from "./cells.js";
import { enlarge } from "./enlarging.js";

const WAYS = { to_img2img: "img2img", to_inpaint: "inpaint", to_detail: "detail", to_run: "run", to_again: "again" };

export class Verbs {
  /** `large`: the Large whose picture it is. */
  constructor(element, large) {
    Object.assign(this, { element, large, page: large.page, tell: large.tell });
  }

  show(full) {
    this.full = full;
    const parts = full.trashed
      ? [this.#button("restore", () => this.#restore())]
      : [this.#stars(), this.#download(), ...this.#copies(), ...this.#others(), this.#delete()];
    const focused = document.activeElement?.closest(".verbs") === this.element && document.activeElement.className;
    this.element.replaceChildren(...parts);
    if (focused) this.element.querySelector(`[class="${focused}"]`)?.focus();
  }

  #button(key, onclick, kind = key, rest = {}) {
    return makeButton({ class: kind, text: this.tell(key), onclick, ...rest });
  }

  #stars() {
    const { id, rating } = this.full;
    const give = async (stars) => {
      await this.page.rate([id], stars);
      this.large.visit(id);
    };
    return fiveStars(rating, this.tell, give);
  }

  #download() {
    const name = this.full.place.split("/").at(-1);
    return make("a", { class: "verb download", href: this.full.url, download: name, text: this.tell("download") });
  }

  #copies() {
    const { full } = this;
    return [
      ...(full.seed === null ? [] : [this.#copy("copy_seed", () => copyText(full.seed))]),
      ...(full.copied ? [this.#copy("copy_settings", () => copyText(full.copied))] : []),
      ...(full.unreadable ? [] : [this.#copy("copy_picture", () => copyPicture(full.url))]),
    ];
  }

  #copy(key, write) {
    return this.#button(key, async () => {
      const isDone = await write();
      this.large.notice.say(this.tell(isDone ? "copied" : "not_copied"), { isFault: !isDone });
    });
  }

  #others() {
    const { full, large, page } = this;
    if (full.unreadable) return [];
    const isOn = large.isComparing;
    const compare = this.#button(isOn ? "compare_end" : "compare_one", () => large.compare(), "compare-one");
    const ways = Object.entries(WAYS).filter(([key]) => key !== "to_again" || full.badge.can);
    const sends = ways.map(([key, way]) =>
      this.#button(key, () => {
        large.dialog.close();
        page.send(way, full);
      }),
    );
    const larger = this.#button(
      "larger",
      large.attempt(() => enlarge(page, [full], large.notice)),
    );
    const looks = full.badge.can ? [this.#button("to_looks", () => page.lookAt(full))] : [];
    return [compare, ...sends, larger, ...looks];
  }

  #delete() {
    return this.#button(
      "delete",
      this.large.attempt(() => this.#erase()),
      "delete danger",
    );
  }

  /** Into the trash; the next picture takes its place, and one press brings it back. */
  async #erase() {
    const { full, large, page } = this;
    const done = await page.talk("act", { action: "delete", ids: [full.id] });
    if (!done.ids.length) {
      large.notice.say(done.problem, { isFault: true });
      return;
    }
    const back = async () => {
      const { ids } = await page.talk("act", { action: "restore", ids: done.ids });
      await page.load();
      await large.visit(ids[0]);
      large.notice.say("");
    };
    await page.dropped(full.id);
    const undo = { undo: large.attempt(back) };
    const place = Math.min(large.shown, page.items.length - 1);
    if (place < 0) {
      large.dialog.close();
      page.notice.say(this.tell("deleted", 1), { undo: page.notice.attempt(back) });
      return;
    }
    await large.enlarge(place);
    large.notice.say(this.tell("deleted", 1), undo);
  }

  #restore() {
    this.large.dialog.close();
    this.page.act("restore", [this.full.id], { told: "restored" });
  }
}
