import { finder, make, makeButton } from "../shared/dom.js";
import { language, speaker } from "../shared/words.js";

const STEPS = { ArrowRight: 1, ArrowLeft: -1 };

/** The picture large above the others; a strip has none. */
function showLarge(find, item, title) {
  const stage = find(".stage");
  const image = stage.querySelector("img");
  stage.style.display = item ? "flex" : "none";
  find(".caption").textContent = item ? item.text : "";
  if (!item) return;
  stage.href = item.url;
  stage.title = title;
  if (image.getAttribute("src") !== item.url) image.src = item.url;
  image.alt = item.text;
}

function thumbnail(item, seed, choose) {
  const image = make("img", { loading: "lazy", src: item.thumb, alt: item.text });
  const label = make("span", { text: item.label });
  const attributes = { role: "option", title: item.text, "aria-label": `${seed} ${item.label}`, onclick: choose };
  return makeButton(attributes, image, label);
}

function stepsBetween(thumbs) {
  thumbs.addEventListener("keydown", (event) => {
    const all = [...thumbs.children];
    const next = event.key in STEPS && all[all.indexOf(document.activeElement) + STEPS[event.key]];
    if (!next) return;
    event.preventDefault();
    next.focus();
    next.click();
  });
}

export function mount({ element, props, trigger, watch }, { words, empty, strip = false }) {
  const find = finder(element);
  const say = speaker(words);
  const thumbs = find(".thumbs");
  let drawn = "";
  const show = (items, selected) => {
    showLarge(find, strip ? null : items[selected], say("open"));
    [...thumbs.children].forEach((one, place) => one.setAttribute("aria-selected", String(place === selected)));
  };
  const choose = (items, place) => {
    props.value = { ...props.value, selected: place };
    show(items, place);
    trigger("select", { index: place });
  };
  const draw = () => {
    const { items = [], selected = -1 } = props.value ?? {};
    const addresses = JSON.stringify(items.map((item) => item.url));
    find(".empty").style.display = items.length ? "none" : "block";
    thumbs.style.display = items.length > 1 || (strip && items.length) ? "" : "none";
    if (addresses !== drawn) {
      drawn = addresses;
      const made = items.map((item, place) => thumbnail(item, say("seed"), () => choose(items, place)));
      thumbs.replaceChildren(...made);
    }
    show(items, selected);
  };
  find(".gallery").classList.toggle("strip", strip);
  thumbs.setAttribute("aria-label", say("pictures"));
  find(".empty").textContent = empty[language()];
  stepsBetween(thumbs);
  draw();
  watch("value", draw);
}
