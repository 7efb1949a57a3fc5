// A picture that the program makes for a network: asked for, and waited for.

const OFTEN = 500; // milliseconds between two looks
const rest = () => new Promise((resolve) => setTimeout(resolve, OFTEN));

/** Where the picture is, once it is there. `parts`: {talk, say, told(text), isThere(), pause}. Throws what to tell. */
export async function makePicture(id, model, { talk, say, told, isThere, pause = rest }) {
  told(say("queued"));
  const { job } = await talk(`/${id}/picture`, { model });
  while (isThere()) {
    const { state, error, picture } = await talk(`/${id}/picture/${job}`);
    if (state === "done" && picture) return picture;
    if (!["queued", "running"].includes(state)) throw new Error(error || say("cancelled"));
    told(say(state));
    await pause();
  }
  return "";
}
