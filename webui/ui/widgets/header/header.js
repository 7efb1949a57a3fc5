import { finder, onPage } from "../shared/dom.js";
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
  const queue = find(".open-queue");
  const count = (total, isHeld) => {
    queue.textContent = `${isHeld ? "⏸ " : ""}${say("queue")} (${total})`;
    queue.classList.toggle("held", Boolean(isHeld));
  };
  const open = (isOpen) => {
    document.body.classList.toggle("queue-open", isOpen);
    queue.setAttribute("aria-expanded", String(isOpen));
  };
  count(0, false);
  queue.onclick = () => open(!document.body.classList.contains("queue-open"));
  onPage(element, "seedprint:queue", ({ detail }) => count(detail.total, detail.held));
  onPage(element, "keydown", (event) => {
    if (event.key === "Escape") open(false);
  });
  find(".language").textContent = say("language");
  find(".language").onclick = () => window.seedprintSwitchLanguage();
  theme.title = say("theme");
  theme.setAttribute("aria-label", say("theme"));
  theme.onclick = () => window.seedprintSwitchTheme();
  draw();
  watch("value", draw);
}
