// How each component of our own begins. Its HTML and words come with those of all others, in one module that
// sources.py makes.
import { html, words } from "../parts.js";

/** `parts` are gradio's: the element, its props, and trigger, watch, upload and server. */
export async function begin(name, parts, options) {
  parts.element.innerHTML = html[name];
  const { mount } = await import(`../${name}/${name}.js`);
  mount(parts, { words: words[name], ...options });
  parts.element.dataset.begun = name; // it listens from here on
}
