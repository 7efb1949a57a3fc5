// What can be done with the selected pictures.
import { make, makeButton } from "../shared/dom.js";
import { starsOf } from "./query.js";

const EXPORTS = ["full", "prompt", "none", "sheet"];
const RATINGS = [0, 1, 2, 3, 4, 5];

/** A list whose first line is its name; `choose(value)`, and it shows its name again. */
function menu(kind, name, pairs, choose) {
  const options = [["", name], ...pairs].map(([value, text]) => make("option", { value, text }));
  const box = make("select", { class: kind, "aria-label": name }, ...options);
  box.onchange = () => {
    const { value } = box;
    box.value = "";
    if (value !== "") choose(value);
  };
  return box;
}

export class Bar {
  /** `page`: the HistoryPage whose pictures they are. */
  constructor(element, page) {
    Object.assign(this, { element, page, tell: page.tell });
    const { tell } = this;
    const outside = [this.#stars(), this.#tagBox()];
    const compare = this.#button("compare", () => page.compare());
    const larger = this.#button("larger", () => page.enlarge(page.chosen()));
    const verify = this.#button("verify", () => page.verify());
    const rest = [verify, larger, this.#move(), this.#exports(), this.#delete()];
    const inside = [this.#restore(), this.#erase()];
    for (const one of [...outside, ...rest]) one.dataset.trash = "no";
    for (const one of inside) one.dataset.trash = "yes";
    element.append(
      make("span", { class: "many" }),
      ...outside,
      compare,
      ...rest,
      ...inside,
      makeButton({ class: "unselect", text: tell("unselect"), onclick: () => page.unselect() }),
      make("datalist", { id: "history_tags" }),
      make("datalist", { id: "history_folders" }),
    );
  }

  /** `many` are selected; `isTrash`: in the trash. */
  show(many, isTrash) {
    this.element.hidden = !many;
    if (!many) return;
    this.element.querySelector(".many").textContent = this.tell("selected", many);
    this.element.querySelector(".compare").hidden = many !== 2;
    for (const one of this.element.querySelectorAll("[data-trash]"))
      one.hidden = (one.dataset.trash === "yes") !== isTrash;
  }

  /** What is offered where tags and folders are typed. */
  offer(tags, folders) {
    const options = (values) => values.map((value) => make("option", { value }));
    this.element.querySelector("#history_tags").replaceChildren(...options(tags));
    this.element.querySelector("#history_folders").replaceChildren(...options(folders));
  }

  #button(key, onclick, kind = key) {
    return makeButton({ class: kind, text: this.tell(key), onclick });
  }

  #stars() {
    const pairs = RATINGS.map((rating) => [String(rating), rating ? starsOf(rating) : "–"]);
    return menu("rate", this.tell("rate"), pairs, (rating) => this.page.rate(this.page.ids(), Number(rating)));
  }

  #exports() {
    const pairs = EXPORTS.map((kind) => [kind, this.tell(kind)]);
    return menu("export", this.tell("export"), pairs, (kind) => this.page.download(kind, this.page.ids()));
  }

  #tagBox() {
    const name = this.tell("tag");
    const attributes = { type: "text", placeholder: name, "aria-label": name, list: "history_tags", maxlength: "60" };
    const box = make("input", attributes);
    const put = async (action) => {
      const tag = box.value.trim();
      if (!tag) return;
      await this.page.tag(action, this.page.ids(), tag);
      box.value = "";
    };
    box.onkeydown = (event) => {
      if (event.key !== "Enter") return;
      event.preventDefault();
      put("tag");
    };
    const give = this.#button("tag_add", () => put("tag"), "");
    const take = this.#button("tag_remove", () => put("untag"), "");
    return make("span", { class: "tag-box" }, box, give, take);
  }

  #move() {
    return this.#button("move", () => {
      const box = make("input", { type: "text", list: "history_folders", required: true, maxlength: "200" });
      const move = (folder) => this.page.act("move", this.page.ids(), { value: folder, told: "moved" });
      this.page.ask(this.tell("move_to"), move, { box });
    });
  }

  #delete() {
    const erase = () => this.page.act("delete", this.page.ids(), { told: "deleted", undo: "restore" });
    return this.#button("delete", erase, "delete danger");
  }

  #restore() {
    return this.#button("restore", () => this.page.act("restore", this.page.ids(), { told: "restored" }));
  }

  #erase() {
    const erase = () => {
      const ids = this.page.ids();
      this.page.ask(this.tell("erase_sure", ids.length), () => this.page.act("erase", ids), { isDanger: true });
    };
    return this.#button("erase", erase, "danger");
  }
}
