// One's own presets in the composer: named anew, moved, brought back; other programs' styles in and out.
import { make, makeButton } from "../shared/dom.js";

const KEPT = 5000; // milliseconds an exported file stays there to be fetched
const BYTE_ORDER_MARK = "\ufeff"; // spreadsheets want it

function save(csv) {
  const file = new Blob([BYTE_ORDER_MARK + csv], { type: "text/csv" });
  const link = make("a", { href: URL.createObjectURL(file), download: "styles.csv" });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), KEPT);
}

/** `ask(action, name, more)` changes a preset and draws anew; `parts` are the component's. */
export class OwnPresets {
  constructor(parts, say, ask, exported) {
    Object.assign(this, { upload: parts.upload, say, ask, exported });
  }

  rows(mine, gone) {
    const own = mine.map((preset, place) => this.#row(preset, place, mine.length - 1));
    const none = make("p", { class: "hint", text: this.say("none") });
    return [...(own.length ? own : [none]), this.#gone(gone), this.#exchange()];
  }

  #row(preset, place, last) {
    const name = make("input", { title: preset.text, maxlength: 80, "aria-label": this.#label("rename", preset.name) });
    name.value = preset.name;
    name.onchange = () => this.ask("rename", preset.name, name.value);
    const act = (action, sign, disabled = false) => {
      const attributes = { class: action, title: this.say(action), "aria-label": this.#label(action, preset.name) };
      return makeButton({ ...attributes, text: sign, disabled, onclick: () => this.ask(action, preset.name) });
    };
    const moves = [act("up", "↑", place === 0), act("down", "↓", place === last)];
    const rest = [act("duplicate", "+"), act("earlier", "↶"), act("delete", "✕")];
    return make("div", { class: "own" }, name, ...moves, ...rest);
  }

  #label(action, name) {
    return `${this.say(action)} ${name}`;
  }

  #gone(names) {
    const text = names.length ? `${this.say("gone")}: ` : "";
    const buttons = names.map((name) => {
      const attributes = {
        class: "undelete",
        title: this.say("undelete"),
        "aria-label": this.#label("undelete", name),
      };
      const shown = `↶ ${name.replace(/\.yaml$/, "")}`;
      return makeButton({ ...attributes, text: shown, onclick: () => this.ask("undelete", name) });
    });
    return make("div", { class: "exchange", text }, ...buttons);
  }

  #exchange() {
    const file = make("input", { type: "file", accept: ".csv,.json", hidden: true });
    file.onchange = async () => {
      if (!file.files.length) return;
      const { path } = await this.upload(file.files[0]);
      file.value = "";
      await this.ask("import", path);
    };
    const take = makeButton({ text: this.say("import"), onclick: () => file.click() });
    const give = makeButton({ text: this.say("export"), onclick: async () => save(await this.exported()) });
    return make("div", { class: "exchange" }, take, give, file);
  }
}
