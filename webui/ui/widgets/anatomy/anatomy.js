import { finder, make } from "../shared/dom.js";
import { drawn } from "../shared/drawing.js";
import { speaker } from "../shared/words.js";
import { BOX, WIDE, asChain, asU, counted, lineOf } from "./layout.js";

const ARROW = "anatomy_arrow";

const milliseconds = (seconds) => (seconds === null ? "–" : `${(1000 * seconds).toPrecision(3)} ms`);

class Drawing {
  constructor(say) {
    this.say = say;
  }

  #about({ shape, parameters, seconds }) {
    return [shape.join(" × "), counted(parameters), milliseconds(seconds)].filter(Boolean).join(" · ");
  }

  #named({ name, layers, attention, words }) {
    const told = [name];
    if (layers) told.push(this.say("layers", { layers }));
    if (attention) told.push(this.say(words ? "attention_words" : "attention", { attention, words }));
    return told.join(" · ");
  }

  #box({ block, x, y, width }, most) {
    const share = (block.seconds ?? 0) / most;
    const text = (down, attributes) => drawn("text", { x: x + 8, y: y + down, ...attributes });
    return drawn(
      "g",
      {},
      drawn("title", { text: `${block.kind}: ${this.#about(block)}` }),
      drawn("rect", { class: "box", x, y, width, height: BOX.height, rx: 5, "fill-opacity": 0.06 + 0.5 * share }),
      text(17, { text: this.#named(block) }),
      text(33, { class: "about", text: this.#about(block) }),
    );
  }

  of({ boxes, ways, skips, height }, name, part) {
    const arrow = `${ARROW}_${part}`;
    const most = Math.max(1e-9, ...boxes.map(({ block }) => block.seconds ?? 0));
    const line = (kind, pairs) =>
      pairs.map(([from, to]) => {
        const [x1, y1, x2, y2] = lineOf(boxes[from], boxes[to]);
        return drawn("line", { class: kind, x1, y1, x2, y2, "marker-end": `url(#${arrow})` });
      });
    const head = drawn("path", { class: "head", d: "M0 0 8 4 0 8z" });
    const marker = { id: arrow, viewBox: "0 0 8 8", refX: 7, refY: 4, markerWidth: 6, markerHeight: 6, orient: "auto" };
    return drawn(
      "svg",
      { viewBox: `0 0 ${WIDE} ${height}`, role: "img", "aria-label": name },
      drawn("defs", {}, drawn("marker", marker, head)),
      ...line("skip", skips),
      ...line("way", ways),
      ...boxes.map((box) => this.#box(box, most)),
    );
  }

  part(part, blocks) {
    const whole = blocks.find(({ name }) => !name);
    const own = blocks.filter(({ name, seconds }) => name && seconds !== null); // what worked
    const told = this.say("whole", { parameters: counted(whole.parameters), time: milliseconds(whole.seconds) });
    const name = `${this.say(part)}: ${told}`;
    const layout = part === "unet" ? asU(own) : asChain(own);
    return make("figure", {}, make("figcaption", { text: name }), this.of(layout, name, part));
  }
}

export function mount({ element, props, trigger, watch }, { words }) {
  const find = finder(element);
  const say = speaker(words);
  for (const name of ["anatomy", "anatomy_text", "anatomy_paper"]) find(`.of-${name}`).textContent = say(name);
  const button = find(".see-it");
  button.textContent = say("see_it");
  button.onclick = () => props.value?.state !== "working" && trigger("submit");
  const drawing = new Drawing(say);
  const take = () => {
    const { state = "idle", told = "", blocks } = props.value ?? {};
    button.setAttribute("aria-disabled", String(state === "working"));
    find(".told").textContent = told;
    find(".told").dataset.state = state;
    if (!blocks) return;
    const parts = [...new Set(blocks.map(({ part }) => part))];
    const figures = parts.map((part) =>
      drawing.part(
        part,
        blocks.filter((block) => block.part === part),
      ),
    );
    find(".parts").replaceChildren(...figures);
  };
  take();
  watch("value", take);
}
