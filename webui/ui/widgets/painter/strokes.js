// The pointer on the canvas: strokes, and the ring that shows how wide the brush is.

const RIGHT = 2; // the mouse's right button erases
const TOOLS = ["brush", "erase", "select"];
const WIDER = { "[": -6, "]": 6 };
const ZOOMS = { "+": 1, "=": 1, "-": -1 };

export class Strokes {
  /** `done()`: a stroke has ended; `click(place, takesAway)`: one that selects. */
  constructor(find, canvas, done, click) {
    Object.assign(this, { find, canvas, done, click });
    this.isErasing = this.isSelecting = false;
    this.down = null; // {id of the pointer, kept: what the tool was}
    this.last = null;
  }

  choose(tool) {
    this.isErasing = tool === "erase";
    this.isSelecting = tool === "select";
    for (const one of TOOLS) this.find(`.${one}`).setAttribute("aria-pressed", String(one === tool));
    this.find(".painter").classList.toggle("selecting", this.isSelecting);
  }

  get width() {
    return Number(this.find(".size").value);
  }

  start(event) {
    if (event.button > RIGHT || this.down) return;
    const mask = this.canvas.mask;
    event.preventDefault();
    mask.focus({ preventScroll: true });
    if (this.isSelecting) {
      this.click(this.canvas.placeOf(event), event.shiftKey || event.altKey || event.button === RIGHT);
      return;
    }
    mask.setPointerCapture(event.pointerId);
    this.canvas.remember();
    this.down = { id: event.pointerId, kept: this.isErasing };
    if (event.button === RIGHT) this.isErasing = true;
    this.last = this.canvas.placeOf(event);
    this.#drawTo(this.last);
  }

  #drawTo(next) {
    const strength = this.isErasing ? 0 : Number(this.find(".strength").value);
    this.canvas.stroke(this.last, next, this.width, strength);
    this.last = next;
  }

  move(event) {
    this.#showRing(event);
    if (event.pointerId !== this.down?.id) return;
    const passed = event.getCoalescedEvents?.() ?? [];
    for (const one of passed.length ? passed : [event]) this.#drawTo(this.canvas.placeOf(one));
  }

  end(event) {
    if (event.pointerId !== this.down?.id) return;
    this.isErasing = this.down.kept;
    this.down = null;
    this.done();
  }

  #showRing(event) {
    const box = this.canvas.mask.getBoundingClientRect();
    const [left, top] = [event.clientX - box.left, event.clientY - box.top];
    const size = `${this.width}px`;
    Object.assign(this.find(".ring").style, {
      display: "block",
      width: size,
      height: size,
      left: `${left}px`,
      top: `${top}px`,
    });
  }

  listen() {
    const mask = this.canvas.mask;
    mask.onpointerdown = (event) => this.start(event);
    mask.onpointermove = (event) => this.move(event);
    mask.onpointerup = mask.onpointercancel = (event) => this.end(event);
    mask.onpointerleave = () => {
      this.find(".ring").style.display = "none";
    };
    mask.oncontextmenu = (event) => event.preventDefault();
  }

  /** Keys on the canvas. */
  listenToKeys(view) {
    this.canvas.mask.addEventListener("keydown", (event) => {
      const control = event.ctrlKey || event.metaKey;
      if (control && event.key.toLowerCase() === "z") {
        event.preventDefault();
        this.find(".undo").click();
      }
      if (event.key in WIDER) this.find(".size").value = this.width + WIDER[event.key];
      if (control) return;
      if (event.key in ZOOMS) view.step(ZOOMS[event.key]);
      if (event.key === "0") view.zoomTo(1);
    });
  }
}
