// Pictures of the history made larger.
import { askLarger, followLarger, lineOf } from "../shared/larger.js";
import { sizeOf } from "./query.js";

/** Calls `then` once nothing waits any more, and shows what is new. */
function untilAllAreMade(page, then) {
  const look = ({ detail }) => {
    if (page.root.isConnected && detail.total) return;
    document.removeEventListener("seedprint:queue", look);
    if (!page.root.isConnected) return;
    then();
    page.load();
  };
  document.dispatchEvent(new CustomEvent("seedprint:pressed")); // the queue is looked at more often
  document.addEventListener("seedprint:queue", look);
}

/** `page`: the HistoryPage whose pictures they are; `notice`: where it is told how far a single one is. */
export async function enlarge(page, items, notice) {
  const { say, talk } = page;
  const go = async (wish) => {
    const { jobs } = await talk("upscale", { ids: items.map(({ id }) => id), ...wish });
    page.unselect();
    if (jobs.length > 1) {
      const told = say("larger_many_queued", { n: jobs.length.toLocaleString() });
      notice.say(told);
      untilAllAreMade(page, () => notice.unsay(told));
      return;
    }
    const isHere = () => page.root.isConnected;
    followLarger(talk, jobs[0], isHere, (told) => notice.say(lineOf(told, say), { isFault: Boolean(told.error) }));
  };
  const size = items.length === 1 && !items[0].unreadable ? sizeOf(items[0]) : null;
  await askLarger(page.find("dialog.larger"), { talk, say, many: items.length, size, go });
}
