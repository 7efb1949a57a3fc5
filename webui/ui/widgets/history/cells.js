// A thumbnail of the sheet.
import { make, makeButton } from "../shared/dom.js";
import { badgeOf } from "../shared/badge.js";
import { captionOf, starsOf } from "./query.js";

/** `on`: pick(isOn, isRange) and enlarge(). */
export function cellOf(item, tell, isChosen, on) {
  const caption = item.unreadable ? tell("unreadable") : captionOf(item, tell("grid_of"));
  const name = item.prompt || item.place;
  const image = make("img", {
    loading: "lazy",
    decoding: "async",
    src: item.thumb,
    alt: item.prompt,
    draggable: "false",
  });
  const what = make("span", { class: "what", text: caption });
  const stars = make("span", { class: "stars", text: starsOf(item.rating) });
  const line = make("span", { class: "line" }, what, stars);
  const proved = tell(`proof_${item.proof}`);
  const badge = badgeOf(item.proof, proved);
  const open = makeButton({ title: name, "aria-label": `${name} · ${caption} · ${proved}` }, image, line, badge);
  const tick = make("input", { type: "checkbox", class: "tick", "aria-label": tell("select") });
  tick.checked = isChosen;
  tick.onclick = (event) => on.pick(tick.checked, event.shiftKey);
  open.onclick = (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey) on.pick(!tick.checked, event.shiftKey);
    else on.enlarge();
  };
  return make("div", { class: "cell", role: "listitem", "data-id": item.id }, open, tick);
}

/** Five stars to click; the one that is set already takes them away. */
export function fiveStars(rating, tell, give) {
  const stars = [1, 2, 3, 4, 5].map((star) => {
    const isOn = star <= rating;
    const attributes = { class: isOn ? "on" : "", text: isOn ? "★" : "☆", "aria-label": `${tell("rate")} ${star}` };
    const isSet = star === rating;
    return makeButton({ ...attributes, "aria-pressed": String(isSet), onclick: () => give(isSet ? 0 : star) });
  });
  return make("span", { class: "five", role: "group", "aria-label": tell("rate") }, ...stars);
}
