// Runs of the repair: started, stopped, queued, and what they leave in the document.

import { fail } from "./connection.js";
import { enter, note, showDocument, showProgress } from "./display.js";
import { remaining, repair } from "./repairing.js";
import { $, locked, page, stage } from "./state.js";
import { texts } from "./texts.js";

export async function startRepair({ retried = false } = {}) {
  const { file, said, work } = page;
  if (!file || !work.marks.length || page.offline || locked()) return;
  page.abort = new AbortController();
  const { value: blend } = $("blend");
  const { value: texture } = $("texture");
  const options = { blend, texture, dilate: Number($("dilate").value) || "" };
  const before = work.parts;
  enter("running", texts.sending);
  showProgress();
  try {
    const tell = (told) => {
      if (told.state !== page.state) enter(told.state);
      if (told.text) note(told.text);
      $("progress").hidden = false;
      if (told.runs) Object.assign($("progress"), { max: told.runs, value: told.done });
    };
    const show = (parts) => stage.setDocument([...before, ...parts], remaining(work.marks, parts));
    const { signal } = page.abort;
    const done = await repair({ file, said, edits: work.edits, marks: work.marks, options, signal, tell, show });
    keep(done.parts, []);
    enter("loaded", done.parts.length ? texts.repaired(done.seconds, done.model) : texts.nothing);
  } catch (error) {
    await interrupted(error, retried);
  }
}

export const stop = () => page.abort?.abort();

function keep(parts, marks) {
  if (!parts.length) return;
  page.work.repaired(parts, marks);
  page.saved = false;
  showDocument();
}

/** Finished parts stay as an edit; the other marks stay too. */
async function interrupted(error, retried) {
  const parts = error.parts ?? [];
  keep(parts, remaining(page.work.marks, parts));
  showDocument();
  if (error.name === "AbortError") enter("loaded", texts.stopped(parts.length));
  else if (error.status === 503 && error.retryAfter && !retried) await waitTurn(error.retryAfter);
  else fail(error, () => startRepair());
}

async function waitTurn(seconds) {
  page.abort = new AbortController();
  const { signal } = page.abort;
  enter("busy");
  for (let left = seconds; left > 0 && !signal.aborted; left--) {
    note(texts.busy(left));
    await new Promise((resolve) => {
      setTimeout(resolve, 1000);
      signal.addEventListener("abort", resolve, { once: true });
    });
  }
  enter("loaded", signal.aborted ? texts.stopped(0) : texts.sending);
  if (!signal.aborted) startRepair({ retried: true });
}
