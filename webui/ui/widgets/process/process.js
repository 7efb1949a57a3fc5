import { finder, make } from "../shared/dom.js";
import { speaker } from "../shared/words.js";
import { Apart } from "./apart.js";

const ROWS = ["noisy", "clean", "noise"];
const GUIDED = ["without", "given", "difference"];
const SAID = [
  ...[
    "apart",
    "apart_text",
    "apart_paper",
    "within",
    "time",
    "schedule",
    "own",
    "together",
    "together_text",
    "together_paper",
  ],
  ...["guidance", "guidance_text", "guidance_paper", "at"],
];

class Film {
  constructor(find, say) {
    Object.assign(this, { find, say });
    this.moments = [];
    find(".at").oninput = () => this.#show();
  }

  take(moments) {
    if (moments === this.moments) return;
    this.moments = moments;
    this.find(".film").hidden = !moments.length;
    if (!moments.length) return;
    this.find(".rows").replaceChildren(...this.#seen(moments[0]).map((name) => this.#row(name)));
    this.find(".at").max = String(moments.length - 1);
    this.find(".at").value = String(moments.length >> 1);
    this.#show();
  }

  #seen({ views }) {
    return ROWS.filter((name) => views[name]);
  }

  /** What a view is called; a model that draws by masked tokens knows no noise. */
  #named(name, { views }) {
    return this.say(views.noise || GUIDED.includes(name) ? name : `${name}_tokens`);
  }

  #row(name) {
    const cells = this.moments.map((moment, place) => {
      const look = () => {
        this.find(".at").value = String(place);
        this.#show();
      };
      const picture = make("img", { src: moment.views[name], alt: `${this.#named(name, moment)}, ${moment.step}` });
      return make("button", { type: "button", onclick: look, title: this.#told(moment) }, picture);
    });
    const told = this.#named(name, this.moments[0]);
    return make("div", { class: "strip" }, make("span", { text: told }), ...cells);
  }

  #told({ step, steps, alpha, views }) {
    const bar = (alpha * alpha).toPrecision(3);
    return this.say(views.noise ? "moment" : "moment_tokens", { step, steps, bar });
  }

  #show() {
    const moment = this.moments[Number(this.find(".at").value)];
    if (!moment) return;
    const figure = (name) =>
      make(
        "figure",
        {},
        make("img", { src: moment.views[name], alt: this.#named(name, moment) }),
        make("figcaption", { text: this.#named(name, moment) }),
      );
    this.find(".moment").textContent = this.#told(moment);
    this.find(".views").replaceChildren(...this.#seen(moment).map(figure));
    const guided = GUIDED.filter((name) => moment.views[name]);
    this.find(".guidance").hidden = !guided.length;
    this.find(".guided").replaceChildren(...guided.map(figure));
  }
}

export function mount({ element, props, trigger, watch, server }, { words }) {
  const find = finder(element);
  const say = speaker(words);
  for (const name of SAID) find(`.of-${name}`).textContent = say(name);
  let shown = "";
  let isOwn = false;
  const button = find(".film-it");
  button.textContent = say("film_it");
  button.hidden = false;
  const film = new Film(find, say);
  const tell = (told, state) => {
    find(".told").textContent = told;
    find(".told").dataset.state = state;
  };
  const onOwn = () => {
    isOwn = true;
    shown = "";
    film.take([]);
    draw();
  };
  const apart = new Apart(find, say, onOwn, (wish) => server.latents(wish));
  /** Only what lies in the archive can be made again. */
  const canFilm = () => Boolean(props.value?.place) && !isOwn && props.value?.state !== "working";
  const draw = () => {
    const { told = "", state = "idle" } = props.value ?? {};
    button.setAttribute("aria-disabled", String(!canFilm()));
    if (isOwn) tell(say("own_film"), "idle");
    else tell(told || (props.value?.place ? "" : say("choose")), state);
  };
  button.onclick = () => canFilm() && trigger("submit");
  const take = () => {
    const { url = "", place = "", film: moments = [] } = props.value ?? {};
    element.dataset.picture = url.split("/").at(-1);
    if (url && url !== shown) {
      apart.show(url, place);
      shown = url;
      isOwn = false;
    }
    draw();
    if (!isOwn) film.take(moments);
  };
  take();
  watch("value", take);
}
