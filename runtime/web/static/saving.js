// Saving: the repaired picture in its own format or as PNG, the mask, the clipboard.

import * as api from "./api.js";
import { fail } from "./connection.js";
import { note } from "./display.js";
import { save } from "./files.js";
import { encodePng } from "./png.js";
import { rasterise } from "./raster.js";
import { locked, page } from "./state.js";
import { texts } from "./texts.js";

export async function download(format) {
  const { file, work } = page;
  if (!file || locked()) return null;
  if (format === "same" && !work.parts.length) return save(file, file.name || "picture");
  note(texts.saving);
  try {
    const { blob, name } = await api.apply(file, work.edits, format);
    save(blob, name);
    page.saved = true;
    note(texts.saved(name));
  } catch (error) {
    fail(error, () => download(format));
  }
  return null;
}

export async function downloadMask() {
  const { file, said, work } = page;
  const blob = await encodePng(rasterise(work.marks, said.width, said.height));
  const name = `${(file.name || "picture").replace(/\.\w+$/, "")}_mask.png`;
  save(blob, name);
  note(texts.saved(name));
}

export async function copy() {
  const { file, work } = page;
  if (!file || locked()) return;
  if (!navigator.clipboard?.write || !window.ClipboardItem) return note(texts.notCopied);
  try {
    const { blob } = await api.apply(file, work.edits, "png");
    await navigator.clipboard.write([new ClipboardItem({ "image/png": blob })]);
    note(texts.copied);
  } catch (error) {
    if (error instanceof api.Refused || error instanceof api.Unreachable) fail(error, copy);
    else note(texts.notCopied);
  }
}
