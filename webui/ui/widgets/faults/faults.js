import { onPage, rest } from "../shared/dom.js";
import { Marks } from "./marks.js";

const SOON = 3000; // milliseconds until a page asks again for its form

export function mount({ element, props, trigger, watch }) {
  const marks = new Marks();
  onPage(element, "seedprint:pressed", () => marks.clear());
  onPage(element, "seedprint:live", ({ detail }) => marks.show(detail.faults, window.seedprintTask()));
  const told = () => {
    if (props.value?.retry) setTimeout(() => trigger("submit"), SOON);
    rest("form_undo", !props.value?.undo);
    marks.tell(props.value?.faults ?? {}, window.seedprintTask());
  };
  told();
  watch("value", told);
}
