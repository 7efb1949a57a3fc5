import { bring } from "../faults/marks.js";
import { finder, onPage, rest } from "../shared/dom.js";
import { speaker } from "../shared/words.js";
import { lookOf, titleOf } from "./view.js";

const NAME = "Seedprint";

function showPreview(image, source, label) {
  image.style.display = source ? "block" : "none";
  image.alt = source ? label : "";
  if (source) image.src = source;
  else image.removeAttribute("src");
}

/** What has no room is reached by Tab as well. */
function markCut(element) {
  const isCut = element.scrollHeight > element.clientHeight + 1;
  element.classList.toggle("cut", isCut);
  if (isCut) element.tabIndex = 0;
  else element.removeAttribute("tabindex");
}

/** Told on the page what is known of a run, for all that stands beside it. */
function announce(look) {
  document.body.dataset.run = look.run;
  document.title = titleOf(look, NAME);
  document.dispatchEvent(new CustomEvent("seedprint:live", { detail: look }));
}

/** A page that was opened again goes on with the run that it showed, and with any that goes on now. */
function goOn({ element, props, trigger }, { main, kept }) {
  const name = `seedprint-ran-${kept}`;
  let isAsked = false;
  const ask = () => {
    if (isAsked) return;
    isAsked = true;
    trigger("submit");
  };
  if (localStorage.getItem(name)) ask();
  if (main) onPage(element, "seedprint:queue", ({ detail }) => (detail.total ? ask() : (isAsked = true)));
  return () => {
    if (props.value?.job) localStorage.setItem(name, props.value.job);
  };
}

const SENT = "seedprint-sent";

/** A wish that the program has not answered: it is told so, also on the page that loads anew when it is there again. */
class Wish {
  constructor(tell) {
    this.tell = tell;
    this.isTold = false;
    this.isOpen = false;
    this.isLate = Boolean(sessionStorage.getItem(SENT)); // of the page before this
    sessionStorage.removeItem(SENT);
  }

  sent() {
    this.isOpen = true;
    this.isLate = this.isTold = false;
    sessionStorage.setItem(SENT, "1");
  }

  answered() {
    this.isOpen = this.isTold = false;
    sessionStorage.removeItem(SENT);
  }

  /** The program does not answer at all. */
  gone() {
    if (this.isOpen) this.#missed();
  }

  #missed() {
    this.isTold = true;
    this.tell();
  }

  /** It answers. A run that goes on may be the one. */
  back({ total }) {
    if (this.isLate && !total) this.#missed();
    this.isLate = false;
  }
}

export function mount(parts, { words, main = false, kept = "", stops = [], starts = [] }) {
  const { element, props, watch } = parts;
  const find = finder(element);
  const say = speaker(words);
  const keep = kept ? goOn(parts, { main, kept }) : () => {};
  const wish = new Wish(() => {
    find(".live").classList.remove("idle");
    find(".live").dataset.state = "refused";
    find(".line").textContent = say("not_sent");
  });
  const draw = () => {
    keep();
    const look = lookOf(props.value);
    find(".live").classList.toggle("idle", look.idle);
    find(".live").dataset.state = look.state;
    for (const name of ["line", "detail", "error"]) find(`.${name}`).textContent = look[name];
    if (main) requestAnimationFrame(() => ["line", "detail", "error"].forEach((name) => markCut(find(`.${name}`))));
    find(".track").style.display = look.share === null ? "none" : "block";
    if (look.share !== null) find(".fill").style.width = `${look.share}%`;
    for (const id of stops) rest(id, look.run !== "busy");
    for (const id of starts) rest(id, !look.canGoOn);
    if (main) announce(look);
    else showPreview(find(".preview"), look.preview, say("preview"));
    if (wish.isTold) wish.tell();
  };
  // said at once on the press, before the program knows of it
  const pressed = () => {
    find(".live").classList.remove("idle");
    for (const name of ["detail", "error"]) find(`.${name}`).textContent = "";
    find(".line").textContent = say("sent");
    wish.sent();
  };
  find(".live").classList.toggle("main", main);
  draw();
  watch("value", () => {
    wish.answered();
    draw();
    const { at } = lookOf(props.value);
    if (at) bring(at, window.seedprintTask());
  });
  if (!main) return;
  onPage(element, "seedprint:gone", () => wish.gone());
  onPage(element, "seedprint:queue", ({ detail }) => wish.back(detail));
  onPage(element, "seedprint:pressed", pressed);
  onPage(element, "seedprint:ask", draw); // what is mounted later hears it too
}
