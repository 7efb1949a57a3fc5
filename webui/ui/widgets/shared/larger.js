// How much larger pictures are to become, and by what: asked in a dialog; and one run looked at until it is over.
import { make, makeButton } from "./dom.js";

const KEPT = "seedprint-larger"; // what was chosen last, in this browser
const SOON = 300; // milliseconds

/** Width and height that come out, as the program rounds them. */
export const largerSize = ([width, height], by) => [width, height].map((side) => Math.max(1, Math.round(side * by)));

const shown = (size) => size.join(" × ");

function kept() {
  try {
    return JSON.parse(localStorage.getItem(KEPT)) ?? {};
  } catch {
    return {};
  }
}

/**
 * `talk`: with the history. `many`: so many pictures; `size`: of the one. `go({ by, upscaler })` when it is agreed to;
 * what it throws is told in the dialog, which stays.
 */
export async function askLarger(dialog, { talk, say, many = 1, size = null, go }) {
  const { upscalers, by } = await talk("upscale");
  const last = kept();
  const options = upscalers.map(({ name, text }) =>
    make("option", { value: name, text, selected: name === last.upscaler }),
  );
  const choice = make("select", { class: "upscaler" }, ...options);
  const times = make("input", {
    ...{ class: "by", type: "number", required: true, step: "any" },
    ...{ min: by.low, max: by.high, value: last.by ?? by.begin },
  });
  const told = make("p", { class: "size" });
  const fault = make("p", { class: "fault", role: "alert" });
  const tell = () => {
    const isSize = size && times.value && times.validity.valid;
    told.textContent = isSize
      ? say("larger_size", { before: shown(size), after: shown(largerSize(size, Number(times.value))) })
      : "";
  };
  times.oninput = tell;
  const send = async (event) => {
    event.preventDefault();
    const wish = { by: Number(times.value), upscaler: choice.value };
    try {
      await go(wish);
    } catch (error) {
      fault.textContent = error.message;
      return;
    }
    localStorage.setItem(KEPT, JSON.stringify(wish));
    dialog.close();
  };
  const title = many === 1 ? say("larger_one") : say("larger_many", { n: many.toLocaleString() });
  const form = make(
    "form",
    { onsubmit: send },
    make("h2", { text: title }),
    make("label", {}, make("span", { text: say("larger_upscaler") }), choice),
    make("label", {}, make("span", { text: say("larger_by") }), times),
    told,
    fault,
    make(
      "div",
      { class: "row" },
      makeButton({ class: "close", text: say("larger_close"), onclick: () => dialog.close() }),
      make("button", { type: "submit", class: "go", text: say("larger") }),
    ),
  );
  dialog.replaceChildren(form);
  dialog.setAttribute("aria-label", title);
  tell();
  dialog.showModal();
  times.select();
}

/** What a look at the run says in words; "" where there is nothing to say any more. */
export function lineOf({ state, share, error, held }, say) {
  if (error || held) return error || held;
  if (state === "queued") return say("larger_queued");
  if (state === "running") return say("larger_running", { n: Math.round(100 * share) });
  return say(state === "cancelled" ? "larger_cancelled" : "larger_done");
}

/** `on(told)` hears of each look, the last included; nothing of a run that is not known any more. */
export async function followLarger(talk, job, isWanted, on) {
  let told = { state: "queued" };
  while (told && ["queued", "running"].includes(told.state)) {
    told = await talk(`upscale/${job}`).catch(() => null);
    if (!told || !isWanted()) return;
    on(told);
    if (["queued", "running"].includes(told.state)) await new Promise((done) => setTimeout(done, SOON));
  }
}
