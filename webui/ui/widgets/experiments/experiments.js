import { finder, make, makeButton } from "../shared/dom.js";
import { speaker } from "../shared/words.js";
import { curveOf } from "./curve.js";

const KINDS = ["steps", "seeds", "prompts", "guidance", "best"];

const picture = ({ caption, url }, name) =>
  make(
    "figure",
    {},
    url ? make("img", { src: url, alt: `${name} ${caption}`.trim() }) : make("div", { class: "not-yet" }),
    make("figcaption", { text: caption }),
  );

function rowOf({ name, cells }) {
  return make("div", { class: "strip" }, make("span", { text: name }), ...cells.map((cell) => picture(cell, name)));
}

function tableOf({ name, head, rows }) {
  const cells = ([first, ...others], kind) => [
    make("th", { scope: kind === "th" ? "col" : "row", text: first }),
    ...others.map((text) => make(kind, kind === "th" ? { scope: "col", text } : { text })),
  ];
  return make(
    "table",
    {},
    make("caption", { text: name }),
    make("thead", {}, make("tr", {}, ...cells(head, "th"))),
    make("tbody", {}, ...rows.map((row) => make("tr", {}, ...cells(row, "td")))),
  );
}

function legendOf({ lines }) {
  const named = lines.map(({ name }, number) => make("span", { class: `name name-${number}`, text: name }));
  return make("p", { class: "legend" }, ...named);
}

function show(place, { rows = [], table, curve } = {}) {
  place.replaceChildren(
    ...[
      make("div", { class: "strips" }, ...rows.map(rowOf)),
      curve && make("div", { class: "curve" }, legendOf(curve), curveOf(curve)),
      table && make("div", { class: "counted" }, tableOf(table)),
    ].filter(Boolean),
  );
}

/** The CLIP models are asked for whenever the list comes into sight. */
function judged(select, own, judges) {
  const fill = async () => {
    const names = await judges().catch(() => []);
    const chosen = select.value;
    const options = names.map((name) => make("option", { value: name, text: name }));
    select.replaceChildren(make("option", { value: "", text: own }), ...options);
    if (names.includes(chosen)) select.value = chosen;
  };
  new IntersectionObserver(([{ isIntersecting }]) => isIntersecting && fill()).observe(select);
}

export function mount({ element, props, trigger, watch, server }, { words }) {
  const find = finder(element);
  const say = speaker(words);
  const buttons = new Map();
  for (const name of ["other_seed", "other_prompt", "judge", "marked"]) find(`.of-${name}`).textContent = say(name);
  judged(find(".judge"), say("own_judge"), () => server.judges());
  for (const which of KINDS) {
    for (const name of [which, `${which}_text`, `${which}_paper`]) find(`.of-${name}`).textContent = say(name);
    const button = makeButton({ class: "act run-it", text: say("run") });
    const told = make("span", { class: "told", role: "status" });
    find(`[data-which=${which}] .choices`).append(button, told);
    buttons.set(which, { button, told });
    button.onclick = () => {
      if (props.value?.state === "working") return;
      const [seed, prompt] = [find(".other-seed").value, find(".other-prompt").value];
      const ranked = { judge: find(".judge").value, marked: Number(find(".marked").value) };
      props.value = { which, other_seed: seed === "" ? null : Number(seed), other_prompt: prompt, ...ranked };
      trigger("submit");
    };
  }
  const take = () => {
    const { which, state = "idle", told = "", result } = props.value ?? {};
    for (const [name, parts] of buttons) {
      parts.button.setAttribute("aria-disabled", String(state === "working"));
      if (name !== which) continue;
      parts.told.textContent = told;
      parts.told.dataset.state = state;
      if (result) show(find(`[data-which=${name}] .result`), result);
    }
  };
  take();
  watch("value", take);
}
