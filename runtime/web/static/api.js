// The server, as docs/web.md and /openapi.json describe it.

/** A request that was answered with a problem. */
export class Refused extends Error {
  constructor({ detail, status, request_id: requestId }, retryAfter) {
    super(detail ?? "the server answered with an error");
    Object.assign(this, { status, requestId, retryAfter });
  }
}

/** The server or the network does not answer. */
export class Unreachable extends Error {}

const token = new URLSearchParams(location.hash.slice(1)).get("token");

async function ask(path, { accept, ...options } = {}) {
  const headers = { Accept: accept ?? "*/*" };
  if (token) headers.Authorization = `Bearer ${token}`;
  let response;
  try {
    response = await fetch(path, { ...options, headers, credentials: "omit", cache: "no-store" });
  } catch (error) {
    throw error.name === "AbortError" ? error : new Unreachable();
  }
  if (response.ok) return response;
  const problem = await response.json().catch(() => ({ status: response.status }));
  throw new Refused(problem, Number(response.headers.get("Retry-After")) || 0);
}

function form(fields) {
  const data = new FormData();
  for (const [name, value] of Object.entries(fields)) {
    if (value instanceof Blob) data.append(name, value, value.name ?? name);
    else if (value !== "" && value !== undefined) data.append(name, value);
  }
  return data;
}

export const info = async () => (await ask("/api/v1/info")).json();

export const ready = () => ask("/health/ready");

export async function inspect(file, signal) {
  const answer = await ask("/api/v1/inspect", { method: "POST", body: form({ image: file }), accept: "application/json", signal });
  return answer.json();
}

export async function preview(file, signal) {
  const answer = await ask("/api/v1/inspect", { method: "POST", body: form({ image: file }), accept: "image/*", signal });
  return answer.blob();
}

/** Return the repaired file and its name. */
export async function apply(file, edits, format) {
  const fields = { image: file, edits: edits && new Blob([edits]), format };
  const answer = await ask("/api/v1/apply", { method: "POST", body: form(fields) });
  const name = /filename="([^"]+)"/.exec(answer.headers.get("Content-Disposition"))?.[1];
  return { blob: await answer.blob(), name: name ?? "repaired" };
}

/** Yield the events of a repair; a part also carries its line as it came. */
export async function* repair(fields, signal) {
  const answer = await ask("/api/v1/inpaint", { method: "POST", body: form(fields), accept: "application/x-ndjson", signal });
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  let ended = false;
  for (;;) {
    let piece;
    try {
      piece = await reader.read();
    } catch (error) {
      throw error.name === "AbortError" ? error : new Unreachable();
    }
    if (piece.done) break;
    text += piece.value;
    const lines = text.split("\n");
    text = lines.pop();
    for (const line of lines) {
      const event = JSON.parse(line);
      if (event.event === "error") throw new Refused(event, 0);
      ended ||= event.event === "done";
      yield { ...event, line };
    }
  }
  if (!ended) throw new Unreachable();
}
