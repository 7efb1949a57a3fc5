// How a run looks, from what the server tells of it.

const NOTHING = { state: "idle", line: "", detail: "", error: "", share: null, preview: null };

/** `share`: the bar's width in percent, or null for no bar. `run`: what the columns beside it are told. */
export function lookOf(told) {
  const { state, line, detail, error, share, preview } = { ...NOTHING, ...told };
  return {
    state: state || "idle",
    idle: !(line || detail || error),
    run: ["queued", "running"].includes(state) ? "busy" : "idle",
    line,
    detail,
    error,
    share: share === null ? null : Math.round(share * 100),
    preview: preview ? `data:image/jpeg;base64,${preview}` : null,
  };
}
