// How a run looks, from what the server tells of it.

const NOTHING = {
  state: "idle",
  line: "",
  detail: "",
  error: "",
  share: null,
  preview: null,
  size: null,
  faults: {},
  at: null,
};
const OPEN = ["cancelled", "failed"]; // an experiment that was stopped can go on

/** `share`: the bar's width in percent, or null for no bar. `run`: what the parts beside it are told. `faults`: field ->
 * what is wrong with it; `error` stays away where it says no more than they do. `at`: the field that comes into view. */
export function lookOf(told) {
  const { state, line, detail, error, share, preview, size, faults, at } = { ...NOTHING, ...told };
  return {
    state: state || "idle",
    idle: !(line || detail || error),
    run: ["queued", "running"].includes(state) ? "busy" : "idle",
    canGoOn: OPEN.includes(state),
    line,
    detail,
    error,
    share: share === null ? null : Math.round(share * 100),
    preview: preview ? `data:image/jpeg;base64,${preview}` : null,
    size,
    faults,
    at,
  };
}

/** The window's title while something runs. */
export const titleOf = ({ run, share }, name) => (run === "busy" && share !== null ? `${share} % · ${name}` : name);
