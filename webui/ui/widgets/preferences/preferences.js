import { NOTIFY } from "../page/notify.js";
import { finder, make } from "../shared/dom.js";
import { speaker } from "../shared/words.js";

const LANGUAGES = ["", "en", "zh"];
const THEMES = ["", "light", "dark"];

function fill(select, name, values, say, chosen) {
  select.replaceChildren(...values.map((value) => make("option", { value, text: say(`${name}_${value || "own"}`) })));
  select.value = values.includes(chosen) ? chosen : "";
}

export function mount({ element }, { words }) {
  const find = finder(element);
  const say = speaker(words);
  for (const name of ["language", "theme", "notify"]) find(`.of-${name}`).textContent = say(name);
  fill(find(".language"), "language", LANGUAGES, say, window.seedprintPreference("language"));
  fill(find(".theme"), "theme", THEMES, say, window.seedprintPreference("theme"));
  find(".language").onchange = ({ target }) => window.seedprintPrefer("language", target.value);
  find(".theme").onchange = ({ target }) => window.seedprintPrefer("theme", target.value);
  const notify = find(".notify");
  notify.checked = Boolean(localStorage.getItem(NOTIFY)) && window.Notification?.permission === "granted";
  notify.onchange = async () => {
    find(".told").textContent = "";
    const answer = notify.checked ? await window.Notification?.requestPermission() : "";
    notify.checked = answer === "granted";
    if (notify.checked) localStorage.setItem(NOTIFY, "1");
    else localStorage.removeItem(NOTIFY);
    if (answer !== "granted" && answer !== "") find(".told").textContent = say("notify_refused");
  };
}
