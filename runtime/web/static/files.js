// Reading photographs and masks, and saving files.

import * as api from "./api.js";
import { decodePng } from "./png.js";
import { Bits } from "./raster.js";

const BAND = 256; // rows that a mask is read by: no canvas is larger than browsers allow

/** Return {bitmap, said} of a photograph: a bitmap to show, and the server's description. */
export async function openPhotograph(file, signal) {
  const shown = createImageBitmap(file).catch(() => null);
  const said = await api.inspect(file, signal);
  let bitmap = await shown;
  if (!bitmap || said.display === "preview" || bitmap.width !== said.width || bitmap.height !== said.height) {
    bitmap = await createImageBitmap(await api.preview(file, signal));
  }
  return { bitmap, said };
}

/** Return the bits of a mask file; null where the browser does not let pages see pixels. */
export async function readMask(file) {
  const exact = await decodePng(new Uint8Array(await file.arrayBuffer())).catch(() => null);
  if (exact) return exact;
  const bitmap = await createImageBitmap(file);
  const canvas = new OffscreenCanvas(bitmap.width, Math.min(BAND, bitmap.height));
  const context = canvas.getContext("2d", { willReadFrequently: true });
  if (!honest(context)) return null;
  const bits = new Bits(bitmap.width, bitmap.height);
  for (let top = 0; top < bitmap.height; top += BAND) {
    context.clearRect(0, 0, canvas.width, canvas.height);
    context.drawImage(bitmap, 0, -top);
    const rows = Math.min(BAND, bitmap.height - top);
    const { data } = context.getImageData(0, 0, bitmap.width, rows);
    for (let i = 0, at = 0; at < data.length; i++, at += 4) {
      const light = 0.299 * data[at] + 0.587 * data[at + 1] + 0.114 * data[at + 2];
      if ((Math.round(light) * data[at + 3]) / 255 >= 128) {
        const x = i % bitmap.width;
        bits.fill(top + Math.floor(i / bitmap.width), x, x, true);
      }
    }
  }
  bitmap.close();
  return bits;
}

/** Report whether pixels of a canvas can be read back. */
function honest(context) {
  for (let x = 0; x < 16; x++) {
    context.fillStyle = x % 2 ? "#fff" : "#000";
    context.fillRect(x, 0, 1, 1);
  }
  const { data } = context.getImageData(0, 0, Math.min(16, context.canvas.width), 1);
  for (let x = 0; x * 4 < data.length; x++) {
    if (data[4 * x] !== (x % 2 ? 255 : 0)) return false;
  }
  return true;
}

/** Hand a file to the browser's downloads. */
export function save(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

/** Return the first image among what was dropped or pasted. */
export function imageOf(transfer) {
  const files = [...(transfer?.files ?? [])];
  return files.find((file) => file.type.startsWith("image/")) ?? files[0] ?? null;
}
