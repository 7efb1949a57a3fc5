import { finder, onPage } from "../shared/dom.js";
import { speaker } from "../shared/words.js";

const LINGERS = 400; // milliseconds the hint stays when the pointer has left without a word

const holdsFiles = (event) => Boolean(event.dataTransfer) && [...event.dataTransfer.types].includes("Files");

function hintOf(box, text) {
  let over = 0;
  box.querySelector(".text").textContent = text;
  return (on) => {
    clearTimeout(over);
    box.hidden = !on;
    if (on) {
      over = setTimeout(() => {
        box.hidden = true;
      }, LINGERS);
    }
  };
}

export function mount({ element, props, trigger, watch, upload }, { words }) {
  const find = finder(element);
  const say = speaker(words);
  const hint = hintOf(find(".drop-hint"), say("drop_here"));
  const tell = (fault) => {
    find(".drop-fault").textContent = fault;
    find(".drop-fault").hidden = !fault;
  };
  const take = async (file) => {
    tell("");
    window.seedprintLeave();
    try {
      const { path } = await upload(file);
      props.value = { uploaded: path };
      trigger("upload");
    } catch {
      tell(say("drop_refused"));
    }
  };
  // places that take files themselves have said so by preventDefault when the event arrives here
  onPage(element, "dragover", (event) => {
    if (!holdsFiles(event)) return;
    hint(!event.defaultPrevented);
    event.preventDefault();
  });
  onPage(element, "drop", (event) => {
    hint(false);
    if (!holdsFiles(event) || event.defaultPrevented) return;
    event.preventDefault();
    if (event.dataTransfer.files[0]) take(event.dataTransfer.files[0]);
  });
  watch("value", () => tell(props.value?.error ?? ""));
}
