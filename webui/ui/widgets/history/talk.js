// With the program: `talk(path)` asks, `talk(path, body)` has something done. Both give the answer's object.

/** `failed`: what to say when there is no answer, or one without a reason. `fetcher`: the browser's own. `room`: what
 * stands before every path. */
export function talker(failed, fetcher = fetch, room = "/history/") {
  return async (path, body) => {
    const headers = { "content-type": "application/json" };
    const how = body ? { method: "POST", headers, body: JSON.stringify(body) } : {};
    let answer;
    try {
      answer = await fetcher(`${room}${path}`, how);
    } catch {
      throw new Error(failed);
    }
    const data = await answer.json().catch(() => ({}));
    if (!answer.ok) throw new Error(typeof data.detail === "string" ? data.detail : failed);
    return data;
  };
}
