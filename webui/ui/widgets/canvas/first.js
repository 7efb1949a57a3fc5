// What a person should know who has made nothing yet, in three lines; dismissed, it does not come again.
import { make, makeButton } from "../shared/dom.js";

const KEPT = "seedprint-welcomed";
const LINES = ["first_generate", "first_again", "first_given"];

export function welcome(box, say) {
  if (localStorage.getItem(KEPT)) return;
  const dismiss = () => {
    localStorage.setItem(KEPT, "1");
    box.hidden = true;
  };
  const lines = LINES.map((key) => make("li", { text: say(key) }));
  box.replaceChildren(
    make("ul", {}, ...lines),
    makeButton({ class: "verb", text: say("first_dismiss"), onclick: dismiss }),
  );
  box.hidden = false;
}
