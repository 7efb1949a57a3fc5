// A run that ends while nobody looks is told by the system, where a person wished it so.

export const NOTIFY = "seedprint-notify";

/** What is told when a run that was `before` is now as `look` says, and nobody looks; else null. */
export function toldOf(before, look, isHidden) {
  const isOver = before === "busy" && look.run !== "busy" && ["done", "failed"].includes(look.state);
  return isOver && isHidden ? [look.line, look.error].filter(Boolean).join(" ") : null;
}

export function listen(title) {
  let before = "idle";
  document.addEventListener("seedprint:live", ({ detail }) => {
    const told = toldOf(before, detail, document.hidden || !document.hasFocus());
    before = detail.run;
    if (told === null || !localStorage.getItem(NOTIFY) || window.Notification?.permission !== "granted") return;
    const shown = new Notification(title, { body: told, tag: "seedprint" });
    shown.onclick = () => {
      window.focus();
      shown.close();
    };
  });
}
