// The connection to the server, and the display of failures.

import * as api from "./api.js";
import { enter, note, refresh } from "./display.js";
import { $, page } from "./state.js";
import { texts } from "./texts.js";

const POLL_MS = 2000;

/** Show an error or a text; "Try again" calls `retry`. */
export function fail(error, retry) {
  const { file } = page;
  page.again = retry;
  if (error instanceof api.Unreachable) {
    goOffline();
    enter(file ? "loaded" : "empty", file ? texts.reasonOffline : texts.empty);
    return;
  }
  if (!(error instanceof api.Refused) && typeof error !== "string") console.error(error);
  const text = typeof error === "string" ? error : error.status === 401 ? texts.token : texts.failed(error.message, error.requestId);
  enter(file ? "error" : "empty", text);
  $("retry").hidden = false;
}

export function goOffline() {
  if (page.offline) return;
  page.offline = true;
  $("banner").textContent = texts.offline;
  $("banner").hidden = false;
  refresh();
  const timer = setInterval(async () => {
    try {
      await api.ready();
    } catch {
      return;
    }
    clearInterval(timer);
    page.offline = false;
    $("banner").hidden = true;
    note(texts.online);
    await meet();
    refresh();
  }, POLL_MS);
}

/** Ask the server for its limits and its model. */
export async function meet() {
  try {
    const server = (page.server = await api.info());
    $("limits").textContent = texts.limits(server.limits.max_upload_bytes, server.limits.max_pixels);
    const here = ["localhost", "127.0.0.1", "[::1]"].includes(location.hostname);
    $("privacy").textContent = here ? texts.here : texts.there(location.hostname);
    refresh();
  } catch (error) {
    if (error instanceof api.Unreachable) goOffline();
    else note(error.status === 401 ? texts.token : error.message);
  }
}
