// One frame for a picture, its preview and two compared: zoom about the pointer, drag, keys, fingers, full screen.
import { make, makeButton } from "./dom.js";
import { fit, held, keyed, middleOf, moved, pictureAt, pinched, splitAt, swiped, wheelFactor, zoomAt } from "./view.js";

const CLOSER = 1.25; // what a press of + does
const PIXELS = 2; // from this scale on a person looks at pixels
const LONG = 400; // milliseconds: a slower finger drags and turns no page

/**
 * Fills `element` with a frame. Options: `tell(key)` says the words of `VIEWER_WORDS`; `screen`, what goes full screen,
 * for only what lies inside that is seen then; `onStep(1 | -1)` for the next or previous picture; `onClose()` for
 * Escape, where no dialog hears it.
 *
 * It gives `show`, `preview`, `compare`, `clear`, `fit`, `fullSize`, `zoom`, `fullScreen`, `focus`; `sheet`, an element
 * in pixels of the picture under the same zoom, for what else lies on it; and `tool`, null or {start, move, end}, which
 * has the pointer's points in pixels of the picture instead of the dragging.
 */
export const viewer = (element, options) => new Viewer(element, options);

class Viewer {
  constructor(element, { tell, screen = element, onStep = null, onClose = null }) {
    Object.assign(this, { element, tell, screen, onStep, onClose, tool: null });
    this.view = { x: 0, y: 0, scale: 1 };
    this.size = [1, 1]; // of the picture; a small preview is shown in the size of what will come
    this.isFitted = true;
    this.share = 0.5; // where the two compared meet, of the frame's width
    this.wanted = ""; // the address asked for last: one that comes late is not shown
    this.pointers = new Map();
    this.#build();
    this.#listen();
  }

  #build() {
    const { tell } = this;
    this.image = make("img", { alt: "", draggable: "false", hidden: true });
    this.other = make("img", { class: "other", alt: "", draggable: "false", hidden: true });
    this.sheet = make("div", { class: "sheet-of-one" }, this.image, this.other);
    this.cut = make("div", { class: "cut", hidden: true });
    this.stage = make("div", { class: "stage", tabindex: "0", role: "group", "aria-label": tell("view_stage") });
    this.stage.append(this.sheet, this.cut);
    this.level = make("output", { class: "level" });
    this.split = make("input", { type: "range", class: "split", min: "0", max: "1", step: "0.005", hidden: true });
    this.split.setAttribute("aria-label", tell("view_split"));
    this.split.oninput = () => this.#cutAt(Number(this.split.value));
    const button = (key, text, onclick) =>
      makeButton({ class: key, text, title: tell(key), "aria-label": tell(key), onclick });
    const tools = make(
      "div",
      { class: "view-tools", role: "toolbar", "aria-label": tell("view_tools") },
      button("view_smaller", "−", () => this.zoom(1 / CLOSER)),
      this.level,
      button("view_larger", "+", () => this.zoom(CLOSER)),
      button("view_fit", "", () => this.fit()), // drawn by the style sheet: few fonts have these signs
      button("view_full_size", "1:1", () => this.fullSize()),
      button("view_screen", "", () => this.fullScreen()),
    );
    this.element.classList.add("viewer");
    this.element.replaceChildren(this.stage, this.split, tools);
  }

  // -- what is shown

  /** The picture at `url`: once it is loaded, until then what was there. `size`: [width, height], its own unless
   * given. Gives whether it could be shown and is still wanted. */
  async show({ url, size = null, text = "" }) {
    this.wanted = url;
    const loaded = make("img", { alt: text, draggable: "false", src: url });
    const isThere = await loaded.decode().then(
      () => true,
      () => false,
    );
    if (this.wanted !== url) return false;
    this.#endCompare();
    if (isThere) {
      this.image.replaceWith(loaded); // decoded already: nothing flickers
      this.image = loaded;
    } else this.#put(this.image, "");
    this.stage.classList.toggle("lost", !isThere);
    this.stage.classList.remove("coming");
    this.#resize(size ?? [loaded.naturalWidth || 1, loaded.naturalHeight || 1]);
    return isThere;
  }

  /** At once, in the size of what will come: a picture in mid-run, or a thumbnail of one that loads. */
  preview({ url, size, text = "" }) {
    this.wanted = url;
    this.#endCompare();
    this.#put(this.image, url, text);
    this.stage.classList.remove("lost");
    this.stage.classList.add("coming");
    this.#resize(size);
  }

  /** Two pictures, each as for `show`, and a line between them to drag. The second has the first one's place. */
  async compare(first, second) {
    if (!(await this.show(first))) return;
    this.#put(this.other, second.url, second.text ?? "");
    this.cut.hidden = this.split.hidden = false;
    this.stage.classList.add("comparing");
    this.split.value = "0.5";
    this.#cutAt(0.5);
  }

  clear() {
    this.wanted = "";
    this.#endCompare();
    this.#put(this.image, "");
  }

  #put(image, url, text = "") {
    image.hidden = !url;
    image.alt = text;
    if (url) image.src = url;
    else image.removeAttribute("src");
  }

  #endCompare() {
    this.#put(this.other, "");
    this.cut.hidden = this.split.hidden = true;
    this.image.style.clipPath = "";
    this.stage.classList.remove("comparing");
  }

  /** Another size is fitted; of the same size the next picture is looked at in the same place. */
  #resize(size) {
    const isSame = size[0] === this.size[0] && size[1] === this.size[1];
    this.size = size;
    Object.assign(this.sheet.style, { width: `${size[0]}px`, height: `${size[1]}px` });
    if (this.isFitted || !isSame) this.fit();
    else this.#draw();
  }

  // -- the view

  /** The whole picture. */
  fit() {
    this.isFitted = true;
    this.view = fit(this.size, this.#room());
    this.#draw();
  }

  /** A pixel of the picture on a pixel of the page, about a point of the frame. */
  fullSize(point) {
    this.zoom(1 / this.view.scale, point);
  }

  zoom(factor, point = middleOf(this.#room())) {
    this.#look(zoomAt(this.view, factor, point));
  }

  /** And back. */
  fullScreen() {
    if (document.fullscreenElement) document.exitFullscreen();
    else this.screen.requestFullscreen?.().then(() => this.focus());
  }

  focus() {
    this.stage.focus({ preventScroll: true });
  }

  #room() {
    return [this.stage.clientWidth, this.stage.clientHeight];
  }

  #look(view) {
    this.isFitted = false;
    this.view = held(view, this.size, this.#room());
    this.#draw();
  }

  #draw() {
    const { x, y, scale } = this.view;
    this.sheet.style.transform = `translate(${x}px, ${y}px) scale(${scale})`;
    this.stage.classList.toggle("pixels", scale >= PIXELS && !this.isFitted);
    this.level.textContent = `${Math.round(scale * 100)} %`;
    if (!this.cut.hidden) this.#cutAt(this.share);
  }

  #cutAt(share) {
    this.share = share;
    const left = 100 * splitAt(this.view, this.size, this.#room(), share);
    this.cut.style.left = `${100 * share}%`;
    this.image.style.clipPath = `inset(0 ${100 - left}% 0 0)`;
    this.other.style.clipPath = `inset(0 0 0 ${left}%)`;
  }

  // -- pointer and keys

  #listen() {
    const { stage } = this;
    const wheel = (event) => {
      event.preventDefault();
      this.zoom(wheelFactor(event), this.#point(event));
    };
    stage.addEventListener("wheel", wheel, { passive: false });
    stage.ondblclick = (event) => {
      if (this.tool) return;
      if (this.isFitted) this.fullSize(this.#point(event));
      else this.fit();
    };
    stage.onpointerdown = (event) => this.#press(event);
    stage.onpointermove = (event) => this.#drag(event);
    stage.onpointerup = (event) => this.#release(event, true);
    stage.onpointercancel = (event) => this.#release(event, false);
    stage.onkeydown = (event) => this.#key(event);
    const resized = () => {
      if (this.isFitted) this.fit();
      else this.#look(this.view);
    };
    new ResizeObserver(resized).observe(stage);
  }

  /** A point of the frame: inside its border, where the picture is. */
  #point({ clientX, clientY }) {
    const box = this.stage.getBoundingClientRect();
    return [clientX - box.left - this.stage.clientLeft, clientY - box.top - this.stage.clientTop];
  }

  #press(event) {
    if (event.button) return;
    this.stage.setPointerCapture(event.pointerId);
    const point = this.#point(event);
    this.pointers.set(event.pointerId, point);
    if (this.pointers.size > 1) {
      this.pressed = null;
      return;
    }
    this.pressed = { point, at: event.timeStamp, isCut: this.cut.contains(event.target) };
    if (this.tool) this.tool.start(pictureAt(this.view, point), event);
  }

  #drag(event) {
    const before = this.pointers.get(event.pointerId);
    if (!before) return;
    const points = [...this.pointers.values()];
    const point = this.#point(event);
    this.pointers.set(event.pointerId, point);
    if (points.length === 2) this.#look(pinched(this.view, points, [...this.pointers.values()]));
    else if (points.length === 1 && this.pressed) this.#pull(event, before, point);
  }

  #pull(event, before, point) {
    if (this.pressed.isCut) {
      this.split.value = String(point[0] / this.#room()[0]);
      this.#cutAt(Number(this.split.value));
    } else if (this.tool) this.tool.move(pictureAt(this.view, point), event);
    else if (!this.#mayTurn(event)) this.#look(moved(this.view, [point[0] - before[0], point[1] - before[1]]));
  }

  /** A finger on a whole picture turns the page; everything else drags it. */
  #mayTurn(event) {
    return event.pointerType === "touch" && this.isFitted && this.onStep && this.cut.hidden;
  }

  #release(event, isDone) {
    if (!this.pointers.delete(event.pointerId) || !this.pressed) return;
    const { point, at, isCut } = this.pressed;
    this.pressed = null;
    if (isCut) return;
    if (this.tool) this.tool.end(isDone);
    else if (isDone && this.#mayTurn(event) && event.timeStamp - at < LONG) {
      const end = this.#point(event);
      const way = swiped([end[0] - point[0], end[1] - point[1]]);
      if (way) this.onStep(way);
    }
  }

  #key(event) {
    if (event.key === "Escape" && this.onClose && !document.fullscreenElement) {
      event.preventDefault();
      this.onClose();
      return;
    }
    const wish = keyed(event);
    if (!wish || !this.does(...wish)) return;
    event.preventDefault();
    event.stopPropagation();
  }

  /** What `keyed` gave, done; whether it was. A page may hand on keys that were pressed elsewhere. */
  does(what, value) {
    if (what === "step" && !this.onStep) return false;
    const acts = {
      step: () => this.onStep(value),
      zoom: () => this.zoom(value),
      pan: () => this.#look(moved(this.view, value)),
      fit: () => this.fit(),
      "full size": () => this.fullSize(),
      screen: () => this.fullScreen(),
    };
    acts[what]();
    return true;
  }
}
