// One repair: the marks become a mask, the parts of the answer are drawn as they come.

import * as api from "./api.js";
import { decodePng, encodePng } from "./png.js";
import { rasterise } from "./raster.js";
import { texts } from "./texts.js";

let secondsPerRun = 0; // of the last repair, to estimate the next

/**
 * Repair the marked pixels.
 *
 * `tell` takes {state, text, done, runs}; `show` takes the parts that are there so far. Returns
 * {parts, seconds}. Its exceptions carry the parts that were finished before.
 */
export async function repair({ file, said, edits, marks, options, signal, tell, show }) {
  const started = performance.now();
  const mask = await encodePng(rasterise(marks, said.width, said.height));
  const fields = { image: file, mask, edits: edits && new Blob([edits]), ...options };
  const parts = [];
  let running = null;
  let begun = 0;
  let model = 0;
  tell({ state: "running", text: texts.sending });
  try {
    for await (const event of api.repair(fields, signal)) {
      if (event.event === "queued" && event.ahead > 0) {
        tell({ state: "waiting", text: texts.ahead(event.ahead) });
      } else if (event.event === "running") {
        running = event;
        begun = performance.now();
        tell({ state: "running", text: texts.running(event.parts, event.scale), done: 0, runs: event.runs });
      } else if (event.event === "progress") {
        tell({ state: "running", done: event.done, runs: event.runs });
      } else if (event.event === "part") {
        parts.push(await partOf(event));
        show(parts);
        const share = event.part / event.of;
        const spent = (performance.now() - begun) / 1000;
        const left = Math.max(0, secondsPerRun ? secondsPerRun * running.runs - spent : spent / share - spent);
        tell({ state: "running", text: texts.part(event.part, event.of, left) });
      } else if (event.event === "done") {
        model = event.seconds.model;
        if (running.runs) secondsPerRun = model / running.runs;
      }
    }
  } catch (error) {
    error.parts = parts;
    throw error;
  }
  return { parts, scale: running?.scale ?? 1, model, seconds: (performance.now() - started) / 1000 };
}

async function partOf({ x, y, png, line }) {
  const bytes = Uint8Array.from(atob(png), (letter) => letter.charCodeAt(0));
  const bitmap = await createImageBitmap(new Blob([bytes], { type: "image/png" }));
  return { x, y, line, bitmap, bits: await decodePng(bytes, { alpha: true }) };
}

/** Return the marks without the pixels of these parts. */
export function remaining(marks, parts) {
  return [...marks, ...parts.map(({ x, y, bits }) => ({ tool: "bits", erase: true, x, y, bits }))];
}
