import { finder } from "../shared/dom.js";
import { speaker } from "../shared/words.js";

export function mount({ element, props, watch }, { words }) {
  const find = finder(element);
  const say = speaker(words);
  const theme = find(".theme");
  const draw = () => {
    const { state = "", text = "", notice = "" } = props.value ?? {};
    find(".state").dataset.state = state;
    find(".state").textContent = text;
    find(".notice").textContent = notice;
    find(".notice").hidden = !notice;
  };
  find(".tagline").textContent = say("tagline");
  find(".language").textContent = say("language");
  find(".language").onclick = () => window.seedprintSwitchLanguage();
  theme.title = say("theme");
  theme.setAttribute("aria-label", say("theme"));
  theme.onclick = () => window.seedprintSwitchTheme();
  draw();
  watch("value", draw);
}
