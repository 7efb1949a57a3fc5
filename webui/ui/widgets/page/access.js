// What Gradio's components lack for a keyboard and for a screen reader, and a style sheet cannot give them.

import { layToRest } from "../shared/dom.js";

const OF_SLIDERS = /^(number input|range slider) for /; // in English, whatever the page speaks
const TASK_PAGE = "workspace";

/** A slider's two inputs are called by its label alone. */
function nameSliders() {
  for (const input of document.querySelectorAll('input[aria-label*=" for "]')) {
    const label = input.getAttribute("aria-label");
    if (OF_SLIDERS.test(label)) input.setAttribute("aria-label", label.replace(OF_SLIDERS, ""));
  }
}

/** What is written on a place for a picture is its name; Gradio gives it another one. */
function nameUploads() {
  for (const button of document.querySelectorAll("button[aria-dropeffect]")) {
    button.removeAttribute("aria-label");
    button.removeAttribute("aria-dropeffect");
  }
}

/** Titles within a page are headings below the page's own. */
function markHeadings() {
  for (const title of document.querySelectorAll(".section-title .prose > :not([role])")) {
    title.setAttribute("role", "heading");
    title.setAttribute("aria-level", "3");
  }
}

function headingOf(panel) {
  const found = panel.querySelector(":scope > h2.unseen");
  if (found) return found;
  const made = document.createElement("h2");
  made.className = "unseen";
  panel.prepend(made);
  return made;
}

/** Every page begins with a heading: what its tab says. */
function headPages() {
  const { page, task } = document.body.dataset;
  const panel = document.getElementById(page === TASK_PAGE ? TASK_PAGE : `tab_${page}`);
  const name = document.querySelector(`#frame [data-tab-id="${page === TASK_PAGE ? task : page}"]`)?.textContent;
  if (!panel || !name) return;
  const heading = headingOf(panel);
  if (heading.textContent !== name.trim()) heading.textContent = name.trim();
}

function mend() {
  layToRest();
  nameSliders();
  nameUploads();
  markHeadings();
  headPages();
}

/** Calls `look` once after any number of changes. */
function watch(look, options) {
  let isAsked = false;
  new MutationObserver(() => {
    if (isAsked) return;
    isAsked = true;
    queueMicrotask(() => {
      isAsked = false;
      look();
    });
  }).observe(document.body, options);
}

/** Who wishes for no movement gets none of what scripts begin either; the style sheet holds the rest still. */
function holdStill() {
  const { animate } = Element.prototype;
  const isWished = matchMedia("(prefers-reduced-motion: reduce)");
  Element.prototype.animate = function still(frames, options) {
    if (!isWished.matches) return animate.call(this, frames, options);
    const given = typeof options === "number" ? {} : options;
    return animate.call(this, frames, { ...given, duration: 0, delay: 0 });
  };
}

/** A number field of a slider keeps what was typed: what cannot be, the program refuses with a sentence. Gradio would
 * change it silently when the field is left. */
function keepNumbers() {
  const isOfSlider = (one) => one.type === "number" && one.closest(".block")?.querySelector('input[type="range"]');
  const left = (event) => {
    if (isOfSlider(event.target)) event.stopImmediatePropagation();
  };
  document.addEventListener("blur", left, true);
}

/** A button that rests (`rest` of shared/dom.js) does nothing. */
function letRest() {
  const pressed = (event) => {
    if (event.target.closest?.('button[aria-disabled="true"]')) event.stopImmediatePropagation();
  };
  document.addEventListener("click", pressed, true);
}

export function beginAccess() {
  watch(mend, {
    subtree: true,
    childList: true,
    attributes: true,
    attributeFilter: ["aria-label", "data-page", "data-task"],
  });
  holdStill();
  keepNumbers();
  letRest();
  mend();
}
