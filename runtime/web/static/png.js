// PNG files of one bit per pixel, written exactly; and PNG files read exactly, as masks.

import { Bits } from "./raster.js";

const SIGNATURE = [137, 80, 78, 71, 13, 10, 26, 10];
const CHECKS = Uint32Array.from({ length: 256 }, (_, n) => {
  for (let k = 0; k < 8; k++) n = n & 1 ? 0xedb88320 ^ (n >>> 1) : n >>> 1;
  return n;
});

/** Return a PNG file, a Blob: black, and white where a bit is set. */
export async function encodePng(bits) {
  const rows = new Uint8Array((bits.stride + 1) * bits.height); // a filter byte before each row
  for (let y = 0; y < bits.height; y++) {
    rows.set(bits.data.subarray(y * bits.stride, (y + 1) * bits.stride), y * (bits.stride + 1) + 1);
  }
  const head = new Uint8Array(13);
  const view = new DataView(head.buffer);
  view.setUint32(0, bits.width);
  view.setUint32(4, bits.height);
  head[8] = 1; // bit depth; colour type 0: grey
  const packed = await pipe(rows, new CompressionStream("deflate"));
  const parts = [Uint8Array.from(SIGNATURE), chunk("IHDR", head), chunk("IDAT", packed), chunk("IEND", new Uint8Array())];
  return new Blob(parts, { type: "image/png" });
}

/**
 * Return the bits of a PNG file of 1 or 8 bits a channel without interlacing; null of others.
 * With `alpha` the opaque pixels are set, else the light ones that are not transparent.
 */
export async function decodePng(bytes, { alpha = false } = {}) {
  if (SIGNATURE.some((byte, at) => bytes[at] !== byte)) return null;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const [width, height, depth, kind, interlaced] = [view.getUint32(16), view.getUint32(20), bytes[24], bytes[25], bytes[28]];
  const channels = { 0: 1, 2: 3, 4: 2, 6: 4 }[kind];
  if (!channels || interlaced || !(depth === 8 || (depth === 1 && kind === 0))) return null;
  const data = [];
  for (let at = 8; at + 8 <= bytes.length; at += 12 + view.getUint32(at)) {
    const name = String.fromCharCode(...bytes.subarray(at + 4, at + 8));
    if (name === "IDAT") data.push(bytes.subarray(at + 8, at + 8 + view.getUint32(at)));
    if (name === "tRNS") return null;
  }
  const raw = await pipe(new Blob(data), new DecompressionStream("deflate"));
  const stride = Math.ceil((width * channels * depth) / 8);
  const step = Math.max(1, (channels * depth) >> 3);
  const bits = new Bits(width, height);
  let above = new Uint8Array(stride);
  for (let y = 0; y < height; y++) {
    const row = raw.subarray(y * (stride + 1) + 1, (y + 1) * (stride + 1));
    unfilter(row, above, raw[y * (stride + 1)], step);
    above = row;
    for (let x = 0; x < width; x++) {
      if (isSet(row, x, depth, channels, alpha)) bits.fill(y, x, x, true);
    }
  }
  return bits;
}

function isSet(row, x, depth, channels, alpha) {
  if (depth === 1) return (row[x >> 3] >> (7 - (x & 7))) & 1;
  const at = x * channels;
  const opacity = channels % 2 ? 255 : row[at + channels - 1];
  if (alpha) return opacity >= 128;
  const light = channels < 3 ? row[at] : 0.299 * row[at] + 0.587 * row[at + 1] + 0.114 * row[at + 2];
  return Math.floor((Math.round(light) * opacity) / 255) >= 128;
}

function unfilter(row, above, filter, step) {
  for (let i = 0; i < row.length; i++) {
    const left = i < step ? 0 : row[i - step];
    const corner = i < step ? 0 : above[i - step];
    if (filter === 1) row[i] += left;
    else if (filter === 2) row[i] += above[i];
    else if (filter === 3) row[i] += (left + above[i]) >> 1;
    else if (filter === 4) row[i] += paeth(left, above[i], corner);
  }
}

function paeth(a, b, c) {
  const [pa, pb, pc] = [Math.abs(b - c), Math.abs(a - c), Math.abs(a + b - 2 * c)];
  if (pa <= pb && pa <= pc) return a;
  return pb <= pc ? b : c;
}

function chunk(name, data) {
  const bytes = new Uint8Array(12 + data.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, data.length);
  for (let i = 0; i < 4; i++) bytes[4 + i] = name.charCodeAt(i);
  bytes.set(data, 8);
  let check = 0xffffffff;
  for (let i = 4; i < 8 + data.length; i++) check = CHECKS[(check ^ bytes[i]) & 255] ^ (check >>> 8);
  view.setUint32(8 + data.length, ~check >>> 0);
  return bytes;
}

async function pipe(data, through) {
  return new Uint8Array(await new Response(new Blob([data]).stream().pipeThrough(through)).arrayBuffer());
}
