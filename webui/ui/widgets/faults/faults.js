import { onPage, rest } from "../shared/dom.js";
import { Marks } from "./marks.js";

export function mount({ element, props, watch }) {
  const marks = new Marks();
  onPage(element, "seedprint:pressed", () => marks.clear());
  onPage(element, "seedprint:live", ({ detail }) => marks.show(detail.faults, window.seedprintTask()));
  const told = () => {
    rest("form_undo", !props.value?.undo);
    marks.tell(props.value?.faults ?? {}, window.seedprintTask());
  };
  told();
  watch("value", told);
}
