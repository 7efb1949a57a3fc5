// Pictures of the history made larger.
import { askLarger, followLarger, lineOf } from "../shared/larger.js";
import { sizeOf } from "./query.js";

/** `page`: the HistoryPage whose pictures they are; `notice`: where it is told how far a single one is. */
export async function enlarge(page, items, notice) {
  const { say, talk } = page;
  const go = async (wish) => {
    const { jobs } = await talk("upscale", { ids: items.map(({ id }) => id), ...wish });
    page.unselect();
    if (jobs.length > 1) {
      notice.say(say("larger_many_queued", { n: jobs.length.toLocaleString() }));
      return;
    }
    const isHere = () => page.root.isConnected;
    followLarger(talk, jobs[0], isHere, (told) => notice.say(lineOf(told, say), { isFault: Boolean(told.error) }));
  };
  const size = items.length === 1 && !items[0].unreadable ? sizeOf(items[0]) : null;
  await askLarger(page.find("dialog.larger"), { talk, say, many: items.length, size, go });
}
