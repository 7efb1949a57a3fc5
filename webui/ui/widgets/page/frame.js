// The frame of the page: which tab is open, what a tab adds to the workspace, and the keys that lead round.

import { press } from "../shared/dom.js";

const PHONE = "(max-width: 860px)"; // one column that scrolls as a whole
export const TASKS = ["txt2img", "img2img", "inpaint"];

/** The tab that a panel's id names: `tab_history`. */
export const pageOf = (id) => id.replace(/^tab_/, "");

export const isTask = (page) => TASKS.includes(page);

/** Where a key leads from a place in a list of so many, round it; undefined: nowhere. */
export function leadsTo(key, place, count) {
  const ends = { Home: 0, End: count - 1, ArrowRight: (place + 1) % count, ArrowLeft: (place - 1 + count) % count };
  return ends[key];
}

/** The page that an address names: `#history`. Empty: none. */
export const pageIn = (hash) => /^#([a-z0-9]+)$/.exec(hash)?.[1] ?? "";

/** The tab that the address asks for; empty: none that there is. */
export function pageAsked() {
  const page = pageIn(location.hash);
  const isTab = ({ type, props }) => type === "tabitem" && props.id === page;
  return window.gradio_config.components.some(isTab) ? page : "";
}

const tabsOf = () => [...document.querySelectorAll("#frame [role=tab]")]; // the copies that gradio measures have no role

function openPanel() {
  const panels = [...document.querySelectorAll("#frame > [role=tabpanel]")];
  return panels.find((panel) => panel.style.display !== "none"); // holds for what the overflow menu opened too
}

export class Frame {
  constructor() {
    this.page = "";
    this.task = TASKS[0];
  }

  /** After anything on the page was opened or closed. */
  look() {
    const panel = openPanel();
    if (panel && pageOf(panel.id) !== this.page) this.#turn(pageOf(panel.id));
    const tabs = tabsOf();
    const isOpen = (tab) => tab.getAttribute("aria-selected") === "true";
    const stop = tabs.find(isOpen) ?? tabs[0]; // the open one may stand in the overflow menu
    for (const tab of tabs) {
      tab.tabIndex = tab === stop ? 0 : -1;
      if (isTask(pageOf(tab.id.replace(/-button$/, "")))) tab.setAttribute("aria-controls", "workspace");
    }
    for (const fold of document.querySelectorAll(".label-wrap")) {
      fold.setAttribute("aria-expanded", String(fold.classList.contains("open")));
    }
  }

  #turn(page) {
    const isBack = isTask(page) && Boolean(this.page) && !isTask(this.page);
    this.#name(page);
    this.page = page;
    if (isTask(page)) this.task = page;
    document.body.dataset.page = isTask(page) ? "workspace" : page;
    document.body.dataset.task = this.task;
    this.show(this.task === "inpaint" ? "paint" : "result");
    if (isBack) document.dispatchEvent(new CustomEvent("seedprint:back"));
  }

  /** In the address: a page that loads again opens where it was, and Back leads to the tab before. */
  #name(page) {
    if (this.page && (pageAsked() || TASKS[0]) !== page) history.pushState(history.state, "", `#${page}`);
    else if (location.hash && !pageAsked()) history.replaceState(history.state, "", `#${page}`);
  }

  /** What the canvas shows on Inpaint: "paint", the picture with its mask, or "result". */
  show(what) {
    document.body.dataset.canvas = what;
    for (const button of document.querySelectorAll("#canvas_mode button")) {
      button.setAttribute("aria-pressed", String(button.value === what));
    }
  }

  /** A run that was asked for here shows its result; one that goes on takes nobody away who paints meanwhile. */
  follow({ run, faults }) {
    if (faults.mask || faults.init_image) this.show("paint");
    else if (run === "busy" && this.isAsked) this.show("result");
    this.isAsked = false;
  }

  pressed(event) {
    const isList = event.target.matches?.('[role="listbox"], [role="combobox"]'); // there it closes the list alone
    if (event.key === "Escape" && !isList) this.#fold();
    const tab = event.target.closest?.("#frame [role=tab]");
    if (!tab) return;
    const tabs = tabsOf();
    const next = tabs[leadsTo(event.key, tabs.indexOf(tab), tabs.length)];
    if (!next) return;
    event.preventDefault();
    next.focus();
    next.click();
  }

  #fold() {
    const open = document.querySelector('#form details[name="drawer"][open]');
    if (!open) return;
    open.open = false;
    open.querySelector("summary").focus();
  }

  listen() {
    const watched = { subtree: true, childList: true, attributes: true, attributeFilter: ["aria-selected", "style"] };
    let asked = false;
    const soon = () => {
      if (asked) return;
      asked = true;
      queueMicrotask(() => {
        asked = false;
        this.look();
      });
    };
    new MutationObserver(soon).observe(document.body, watched);
    document.addEventListener("keydown", (event) => this.pressed(event));
    document.addEventListener("click", (event) => {
      const button = event.target.closest?.("#canvas_mode button");
      if (button) this.show(button.value);
    });
    document.addEventListener("seedprint:pressed", () => {
      this.isAsked = true;
      if (matchMedia(PHONE).matches) document.querySelector("#canvas_column")?.scrollIntoView();
    });
    document.addEventListener("seedprint:live", ({ detail }) => this.follow(detail));
    // the browser's Back among others; the tab may stand in the overflow menu, so gradio opens it
    addEventListener("hashchange", () => press(document.getElementById("frame_turn")));
    this.look();
  }
}
