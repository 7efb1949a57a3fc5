// The sheet grows inside a view that scrolls; the point under the pointer stays where it is.
import { driftOf, limited, shareOf, stepped, turned } from "./zoom.js";

export class View {
  constructor(find) {
    Object.assign(this, { find, mask: find(".mask"), view: find(".view"), under: find(".under") });
    this.zoom = 1;
    this.fitted = 0; // the sheet's width where the whole picture is shown
  }

  /** `x`, `y`: the point of the window that stays, else the view's middle. */
  zoomTo(wanted, x, y) {
    const before = this.mask.getBoundingClientRect();
    const box = this.view.getBoundingClientRect();
    if (this.zoom === 1) this.#hold(before, box);
    const [pointX, pointY] = [x ?? box.left + box.width / 2, y ?? box.top + box.height / 2];
    const share = shareOf(before, pointX, pointY);
    this.zoom = limited(wanted);
    const isZoomed = this.zoom > 1;
    this.find(".painter").classList.toggle("zoomed", isZoomed);
    this.under.style.width = isZoomed ? `${this.fitted * this.zoom}px` : "";
    this.find(".level").textContent = `${Math.round(this.zoom * 100)} %`;
    if (isZoomed) this.#scroll(driftOf(this.mask.getBoundingClientRect(), share, pointX, pointY));
    else Object.assign(this.view.style, { width: "", height: "" });
  }

  /** The view keeps its size while the sheet grows. */
  #hold(sheet, box) {
    this.fitted = sheet.width;
    Object.assign(this.view.style, { width: `${box.width}px`, height: `${box.height}px` });
  }

  #scroll([right, down]) {
    this.view.scrollLeft += right;
    this.view.scrollTop += down;
  }

  step(way) {
    this.zoomTo(stepped(this.zoom, way));
  }

  /** `isPainting()`: no zoom while a stroke goes on. */
  listen(isPainting) {
    this.find(".in").onclick = () => this.step(1);
    this.find(".out").onclick = () => this.step(-1);
    this.find(".level").onclick = () => this.zoomTo(1);
    const wheel = (event) => {
      if (!(event.ctrlKey || event.metaKey)) return; // the wheel alone scrolls
      event.preventDefault();
      if (!isPainting()) this.zoomTo(turned(this.zoom, event.deltaY), event.clientX, event.clientY);
    };
    this.view.addEventListener("wheel", wheel, { passive: false });
  }
}
