// Opening: pictures, masks, the sample, and whatever is dropped or pasted.

import { fail, goOffline } from "./connection.js";
import { enter, note, showProgress } from "./display.js";
import { openPhotograph, readMask } from "./files.js";
import { Document } from "./history.js";
import { painted, pointer } from "./painting.js";
import { stop } from "./runs.js";
import { $, locked, page, stage } from "./state.js";
import { texts } from "./texts.js";

export async function open(next) {
  if (!next) return;
  stop();
  page.abort = new AbortController();
  const { signal } = page.abort;
  const most = page.server?.limits.max_upload_bytes ?? Infinity;
  if (next.size > most) {
    fail(texts.tooLarge(next.size, most), () => $("file").click());
    return;
  }
  if (!page.saved && !confirm("The last repair is not downloaded. Open another picture?")) return;
  enter("opening", texts.opening(next.name || "the picture", next.size));
  showProgress();
  try {
    const { bitmap, said } = await openPhotograph(next, signal);
    Object.assign(page, { file: next, said, work: new Document(), saved: true });
    $("compare").value = 0;
    await stage.show(bitmap, said.width, said.height);
    pointer.cross.reset();
    for (const [id, side] of [["box-x", "width"], ["box-y", "height"], ["box-w", "width"], ["box-h", "height"]]) $(id).max = said[side];
    enter("loaded", [texts.loaded, ...said.warnings.map((one) => one.text)].join("\n"));
    $("stage").focus({ preventScroll: true });
  } catch (error) {
    if (error.name !== "AbortError") fail(error, () => open(next));
  }
}

export async function openMask(chosen) {
  const { said } = page;
  if (!chosen || !said) return;
  try {
    const bits = await readMask(chosen);
    if (!bits) return note(texts.maskProtected);
    if (bits.width !== said.width || bits.height !== said.height) {
      return note(texts.maskSize(bits.width, bits.height, `${said.width} x ${said.height}`));
    }
    const count = bits.count();
    if (!count) return note(texts.maskEmpty);
    painted({ tool: "bits", bits, x: 0, y: 0 }, texts.maskRead(count / (said.width * said.height)));
  } catch {
    note(texts.notShown);
  }
}

/** Open what was dropped or pasted: a mask if its name says so and a picture is open. */
export function take(dropped) {
  if (dropped && page.said && /mask/i.test(dropped.name) && !locked()) openMask(dropped);
  else if (!["running", "waiting"].includes(page.state)) open(dropped);
}

export async function openSample() {
  const answer = await fetch("/sample.jpg").catch(() => null);
  if (answer?.ok) open(new File([await answer.blob()], "sample.jpg", { type: "image/jpeg" }));
  else goOffline();
}
