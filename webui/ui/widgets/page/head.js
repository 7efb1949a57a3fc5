// Runs before the page's own code. Gradio knows only whole language tags, so every kind of Chinese is made zh-CN here;
// a choice of language, or of light and dark, made before is kept. Python reads the language from the cookie.
import { beginAccess } from "./access.js";
import { Asking } from "./asking.js";
import { Holds, Travels, isChinese } from "./early.js";
import { Filling } from "./filling.js";
import { KeptForm } from "./forms.js";
import { Frame, TASKS, pageAsked } from "./frame.js";
import { Lists } from "./lists.js";
import { KeptPictures } from "./pictures.js";
import { listen as tellOfRuns } from "./notify.js";
import { rememberPrompts } from "./left.js";
import { keepStill } from "./still.js";
import { typeInto } from "../shared/dom.js";

const LANGUAGE = "seedprint-language";
const THEME = "seedprint-theme";
const YEAR = 31536000; // seconds
const tellPython = (language) => {
  document.cookie = `${LANGUAGE}=${language}; path=/; SameSite=Strict; max-age=${YEAR}`;
};

const chinese = isChinese(localStorage.getItem(LANGUAGE), navigator.language);
window.seedprintLanguage = chinese ? "zh" : "en";

function speakTo(tag) {
  try {
    Object.defineProperty(navigator, "language", { configurable: true, get: () => tag });
    Object.defineProperty(navigator, "languages", { configurable: true, get: () => [tag] });
  } catch {
    /* then the browser's own language decides */
  }
  tellPython(window.seedprintLanguage);
}

function dress() {
  const kept = localStorage.getItem(THEME);
  if (kept) document.body.classList.toggle("dark", kept === "dark");
}

const KEPT = { language: LANGUAGE, theme: THEME };
window.seedprintPreference = (name) => localStorage.getItem(KEPT[name]) ?? "";
/** "": as the browser, or the system, wishes. */
window.seedprintPrefer = (name, value) => {
  if (value) localStorage.setItem(KEPT[name], value);
  else localStorage.removeItem(KEPT[name]);
  if (value && name === "language") tellPython(value); // what stands in the page that comes is in it already
  if (value && name === "theme") dress();
  else location.reload();
};
window.seedprintSwitchLanguage = () => window.seedprintPrefer("language", chinese ? "en" : "zh");
window.seedprintSwitchTheme = () =>
  window.seedprintPrefer("theme", document.body.classList.contains("dark") ? "light" : "dark");

const travels = new Travels();
window.seedprintLeave = (value) => travels.leave(value);
window.seedprintArrive = (tab) => travels.arrive(tab);

/** gradio's update of the tabs when the page opens: the one that its address names. */
window.seedprintOpened = () => {
  const page = pageAsked();
  return { __type__: "update", ...(page ? { selected: page } : {}) };
};
/** The same once it is open: at a plain address, that of the first tab. */
window.seedprintTurned = () => ({ __type__: "update", selected: pageAsked() || TASKS[0] });

const pictures = new KeptPictures();
window.seedprintRemember = (name, value) => pictures.remember(name, value);
window.seedprintPictures = (names) => pictures.again(names);

const filling = new Filling();
filling.listen();
window.seedprintFill = (told, names) => filling.updates(told, names);

const lab = new KeptForm("lab");
window.seedprintKeepLab = (names, values) => lab.keep(names, values);
window.seedprintLab = (names, shown) => lab.again(names, shown);
window.seedprintForgetLab = () => lab.forget();

const lists = new Lists();
const holds = new Holds((id, isStill) => lists.hold(id, isStill));
window.seedprintHold = (ids) => holds.hold(ids);
window.seedprintRelease = (ids) => holds.release(ids);

const asking = new Asking();
window.seedprintAsk = (buttons) => asking.ask(buttons);

const frame = new Frame();
window.seedprintTask = () => frame.task;
window.seedprintPressed = () => document.dispatchEvent(new CustomEvent("seedprint:pressed"));

function clicked(event) {
  if (event.target.closest?.("#frame .tab-wrapper, #frame .overflow-menu")) travels.turned();
}

/** Ctrl+Enter generates, wherever the caret is. */
function pressed(event) {
  if (!(event.ctrlKey || event.metaKey) || event.key !== "Enter") return;
  const button = [...document.querySelectorAll(".generate-button")].find((one) => one.offsetParent !== null);
  if (!button) return;
  event.preventDefault();
  event.stopPropagation();
  button.click();
}

/** A file that nothing on the page takes stays where it was: a browser would leave the page for it. */
function dropped(event) {
  if ([...(event.dataTransfer?.types ?? [])].includes("Files")) event.preventDefault();
}

keepStill(window.gradio_config);
/** Whatever is chosen for a picture goes to the program, which says what is wrong with it in the person's language:
 * gradio would refuse what does not call itself a picture here already, in English. */
function chose({ target }) {
  if (!target.matches?.('input[type="file"][accept^="image"]')) return;
  const isPicture = ({ type }) => type.startsWith("image/");
  if ([...target.files].every(isPicture)) return;
  const files = new DataTransfer();
  for (const one of target.files) {
    files.items.add(isPicture(one) ? one : new File([one], one.name, { type: "image/png" }));
  }
  target.files = files.files;
}

speakTo(chinese ? "zh-CN" : "en");
document.addEventListener("change", chose, true);
document.addEventListener("click", clicked, true);
document.addEventListener("keydown", pressed, true);
for (const type of ["dragover", "drop"]) addEventListener(type, dropped); // after all others
lists.listen();
tellOfRuns("Seedprint");
rememberPrompts(typeInto);
addEventListener("DOMContentLoaded", () => {
  frame.listen();
  beginAccess();
  dress(); // gradio dresses the page by the system's wish, once it is up
  new MutationObserver(dress).observe(document.body, { attributes: true, attributeFilter: ["class"] });
});
