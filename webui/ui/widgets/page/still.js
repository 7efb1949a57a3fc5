// Gradio goes through all events for each of the page's components, twice, while the page is put together. Svelte wraps
// plain arrays and objects so that each look at one is noticed, which makes that a fifth of the time until the page can
// be used. What is not plain it leaves alone; and no event of the page changes once it is there.

class Still extends Array {}

/** The events of gradio's configuration, which nobody is to watch. */
export function keepStill(config) {
  if (config?.dependencies) config.dependencies = Still.from(config.dependencies);
}
