// Pictures that were given to the form, kept while the browser's tab is open: a page that loads again shows them.

const KEPT = "seedprint-pictures";
const UPLOADS = "/gradio_api/file=";

/** What a box shows again of what it held: an upload as it is; of what was painted the mask, by its address. */
export function shownAgain({ mask, ...value }) {
  for (const passing of ["film", "told", "state"]) delete value[passing];
  return mask ? { ...value, mask_url: UPLOADS + mask } : value;
}

const isThere = async (url) => (await fetch(url, { method: "HEAD" })).ok;

export class KeptPictures {
  constructor() {
    this.left = JSON.parse(sessionStorage.getItem(KEPT) ?? "{}"); // before any box of the new page tells that it is empty
    this.now = { ...this.left };
  }

  /** A box by this name holds `value` now. */
  remember(name, value) {
    this.now[name] = value && shownAgain(value);
    sessionStorage.setItem(KEPT, JSON.stringify(this.now));
  }

  /** gradio's updates of the boxes, in the order of `names`; one whose file the program has put away stays empty. */
  async again(names) {
    return Promise.all(names.map((name) => this.#updateOf(this.left[name])));
  }

  async #updateOf(left) {
    const nothing = { __type__: "update" };
    if (!left?.url) return nothing;
    const urls = [left.url, left.mask_url].filter(Boolean);
    const found = await Promise.all(urls.map(isThere)).catch(() => [false]);
    return found.every(Boolean) ? { ...nothing, value: left } : nothing;
  }
}
