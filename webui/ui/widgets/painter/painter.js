import { finder, onPage } from "../shared/dom.js";
import { speaker } from "../shared/words.js";
import { Canvas } from "./canvas.js";
import { Select } from "./select.js";
import { Strokes } from "./strokes.js";
import { View } from "./view.js";

const BUTTONS = ["brush", "erase", "select", "undo", "invert", "clear", "upload", "other", "drop"];
const ZOOMS = { out: "zoom_out", level: "zoom_fit", in: "zoom_in" };
const SMALL = 448; // pixels; a picture narrower than this is shown larger
const SETTLES = 30; // milliseconds gradio takes to hear of a new value

class Painter {
  constructor({ element, props, trigger, upload }, words) {
    Object.assign(this, { element, props, trigger, upload });
    this.find = finder(element);
    this.say = speaker(words);
    this.root = this.find(".painter");
    this.under = this.find(".under");
    this.canvas = new Canvas(this.find(".mask"));
    this.view = new View(this.find);
    this.select = new Select({
      canvas: this.canvas,
      source: () => this.props.value?.source,
      commit: () => this.commit(),
      say: this.say,
      note: (text) => this.#write(".note", text),
      fault: (text) => this.#write(".fault", text),
    });
    const click = (place, takesAway) => this.select.click(place, takesAway);
    this.strokes = new Strokes(this.find, this.canvas, () => this.commit(), click);
    this.sent = 0; // the newest mask on its way
    this.busy = 0; // masks on their way
    this.wanted = null; // a button that was pressed meanwhile
  }

  label() {
    const { find, say } = this;
    for (const name of BUTTONS) find(`button.${name}`).textContent = say(name);
    for (const [name, key] of Object.entries(ZOOMS)) {
      find(`.${name}`).setAttribute("aria-label", say(key));
      find(`.${name}`).title = say(key);
    }
    find(".size-word").textContent = say("size");
    find(".size").setAttribute("aria-label", say("size"));
    find(".strength").setAttribute("aria-label", say("brush_strength"));
    find(".strength").title = say("brush_strength_how");
    find(".mask").setAttribute("aria-label", say("canvas"));
  }

  fault(key) {
    this.#write(".fault", key ? this.say(key) : "");
  }

  #write(place, text) {
    this.find(place).textContent = text;
  }

  // -- the mask on its way to the program

  async commit() {
    this.sent += 1;
    this.busy += 1;
    const turn = this.sent;
    try {
      const { path } = await this.upload(await this.canvas.white());
      if (turn === this.sent) {
        this.fault("");
        this.props.value = { ...this.props.value, mask: path };
      }
    } catch {
      this.fault("unsent");
    }
    this.busy -= 1;
    if (!this.busy && this.wanted) this.#pressWanted();
  }

  #pressWanted() {
    const button = this.wanted;
    this.wanted = null;
    setTimeout(() => button.click(), SETTLES);
  }

  /** A click on Generate waits for a mask that is on its way. */
  hold(event) {
    const button = event.target.closest?.("#form_generate");
    if (!button || !this.busy) return;
    event.stopImmediatePropagation();
    event.preventDefault();
    this.wanted = button;
  }

  // -- the picture under it

  load() {
    const { url, mask_url: maskUrl = "" } = this.props.value ?? {};
    if (!url) {
      this.root.classList.remove("loaded");
      this.under.removeAttribute("src");
      delete this.under.dataset.shown;
      return;
    }
    const shown = `${url}|${maskUrl ?? ""}`;
    if (this.under.dataset.shown === shown) return;
    this.under.dataset.shown = shown;
    this.under.src = url;
  }

  loaded() {
    const { naturalWidth, naturalHeight } = this.under;
    const maskUrl = this.props.value?.mask_url;
    this.fault("");
    this.root.classList.add("loaded");
    this.view.zoomTo(1);
    this.under.classList.toggle("small", naturalWidth < SMALL);
    this.under.style.setProperty("--shape", naturalWidth / naturalHeight);
    this.canvas.reset(naturalWidth, naturalHeight);
    this.select.end();
    this.lookForSelecting();
    this.sent += 1;
    if (maskUrl) this.drawMask(maskUrl, false);
  }

  /** The tool looks at rest where the program has no network for it; a press says what it needs. */
  async lookForSelecting() {
    const missing = await this.select.look();
    this.find(".select").classList.toggle("without", Boolean(missing));
    this.find(".select").title = missing || this.say("select_how");
  }

  /** A tool is taken up; what is selected next is another thing. */
  async choose(tool) {
    this.select.end();
    if (tool === "select") {
      await this.lookForSelecting(); // a file may have come meanwhile
      this.#write(".note", this.select.missing || this.say("select_how"));
      if (this.select.missing) return;
    }
    this.strokes.choose(tool);
  }

  /** `isUndone`: whether Undo brings back what is there now. */
  drawMask(url, isUndone) {
    const picture = new Image();
    picture.onload = () => {
      this.select.end();
      if (isUndone) this.canvas.remember();
      this.canvas.take(picture);
      this.fault("");
      this.commit();
    };
    picture.onerror = () => this.fault("unreadable");
    picture.src = url;
  }

  async take(file) {
    if (!file) return;
    this.fault("");
    try {
      const { path } = await this.upload(file);
      this.props.value = { ...this.props.value, uploaded: path };
      this.trigger("upload");
    } catch {
      this.fault("unreadable");
    }
  }

  // -- listening

  listen() {
    this.under.onload = () => this.loaded();
    this.under.onerror = () => {
      if (this.under.getAttribute("src")) this.fault("unreadable");
    };
    this.strokes.listen();
    this.strokes.listenToKeys(this.view);
    this.view.listen(() => Boolean(this.strokes.down));
    this.#listenToButtons();
    this.#listenToFiles();
    onPage(this.element, "click", (event) => this.hold(event), true);
  }

  #listenToButtons() {
    const find = this.find;
    find(".strength").onchange = () => {
      this.choose("brush");
      this.#write(".note", Number(find(".strength").value) < 1 ? this.say("brush_strength_how") : "");
    };
    for (const tool of ["brush", "erase", "select"]) find(`.${tool}`).onclick = () => this.choose(tool);
    find(".undo").onclick = () => {
      if (!this.select.undo() && this.canvas.undo()) this.commit();
    };
    find(".clear").onclick = () => {
      this.select.end();
      this.canvas.clear();
      this.commit();
    };
    find(".invert").onclick = () => {
      this.select.end();
      this.canvas.invert();
      this.commit();
    };
    find(".upload").onclick = () => find(".mask-file").click();
    find(".drop").onclick = find(".other").onclick = () => find(".picture-file").click();
  }

  #listenToFiles() {
    const { element, find, root } = this;
    const listenTo = (input, use) => {
      input.onchange = () => {
        const file = input.files[0];
        input.value = ""; // the same file may be chosen again
        if (file) use(file);
      };
      input.onchange(); // where a person was quicker than this script
    };
    listenTo(find(".mask-file"), (file) => this.drawMask(URL.createObjectURL(file), true));
    listenTo(find(".picture-file"), (file) => this.take(file));
    root.ondragover = (event) => {
      event.preventDefault();
      root.classList.add("over");
    };
    root.ondragleave = () => root.classList.remove("over");
    root.ondrop = (event) => {
      event.preventDefault();
      root.classList.remove("over");
      this.take(event.dataTransfer.files[0]);
    };
    element.addEventListener("paste", (event) => {
      const file = event.clipboardData.files[0];
      if (!file) return;
      event.preventDefault();
      this.take(file);
    });
  }
}

export function mount(parts, { words }) {
  const painter = new Painter(parts, words);
  painter.label();
  painter.listen();
  painter.load();
  parts.watch("value", () => painter.load());
}
