import { onPage } from "../shared/dom.js";
import { Marks } from "./marks.js";

export function mount({ element, props, watch }) {
  const marks = new Marks();
  onPage(element, "seedprint:pressed", () => marks.clear());
  onPage(element, "seedprint:live", ({ detail }) => marks.show(detail.faults, window.seedprintTask()));
  watch("value", () => marks.tell(props.value?.faults ?? {}, window.seedprintTask()));
}
