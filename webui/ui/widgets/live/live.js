import { finder } from "../shared/dom.js";
import { speaker } from "../shared/words.js";
import { lookOf } from "./view.js";

function showPreview(image, source, label) {
  image.style.display = source ? "block" : "none";
  image.alt = source ? label : "";
  if (source) image.src = source;
  else image.removeAttribute("src");
}

export function mount({ element, props, watch }, { words }) {
  const find = finder(element);
  const say = speaker(words);
  const draw = () => {
    const look = lookOf(props.value);
    const columns = element.closest(".columns");
    find(".live").classList.toggle("idle", look.idle);
    find(".live").dataset.state = look.state;
    if (columns) columns.dataset.run = look.run;
    for (const name of ["line", "detail", "error"]) find(`.${name}`).textContent = look[name];
    find(".track").style.display = look.share === null ? "none" : "block";
    if (look.share !== null) find(".fill").style.width = `${look.share}%`;
    showPreview(find(".preview"), look.preview, say("preview"));
  };
  draw();
  watch("value", draw);
}
