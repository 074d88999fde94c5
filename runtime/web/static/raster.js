// Marks to one bit per pixel, by geometry. Nothing is read back from a canvas: browsers that
// protect against fingerprinting answer that with noise.

/** Rows of bits, the first pixel in the highest bit, as PNG has them. */
export class Bits {
  constructor(width, height) {
    this.width = width;
    this.height = height;
    this.stride = (width + 7) >> 3;
    this.data = new Uint8Array(this.stride * height);
  }

  get(x, y) {
    return (this.data[y * this.stride + (x >> 3)] >> (7 - (x & 7))) & 1;
  }

  /** Set or clear the pixels first to last of a row, both inclusive; outside is left out. */
  fill(y, first, last, on) {
    first = Math.max(0, first);
    last = Math.min(this.width - 1, last);
    if (y < 0 || y >= this.height || first > last) return;
    const row = y * this.stride;
    const start = row + (first >> 3);
    const end = row + (last >> 3);
    const head = 0xff >> (first & 7);
    const tail = (0xff << (7 - (last & 7))) & 0xff;
    if (start === end) {
      this.#put(start, head & tail, on);
    } else {
      this.#put(start, head, on);
      this.data.fill(on ? 0xff : 0, start + 1, end);
      this.#put(end, tail, on);
    }
  }

  count() {
    let total = 0;
    for (const byte of this.data) {
      if (byte) total += POPULATION[byte];
    }
    return total;
  }

  #put(index, bits, on) {
    if (on) this.data[index] |= bits;
    else this.data[index] &= ~bits;
  }
}

const POPULATION = Uint8Array.from({ length: 256 }, (_, byte) => byte.toString(2).replaceAll("0", "").length);
const LEAST_RADIUS = Math.SQRT1_2 + 1e-9; // a dot of one pixel hits at least one pixel's centre

/** Return the bits of all marks, in their order. */
export function rasterise(marks, width, height) {
  const bits = new Bits(width, height);
  for (const mark of marks) {
    if (mark.tool === "box") {
      for (let y = mark.y; y < mark.y + mark.height; y++) bits.fill(y, mark.x, mark.x + mark.width - 1, true);
    } else if (mark.tool === "bits") {
      layBits(bits, mark);
    } else {
      layStroke(bits, mark);
    }
  }
  return bits;
}

function layStroke(bits, { points, size, tool }) {
  const radius = Math.max(size / 2, LEAST_RADIUS);
  for (let i = 0; i < points.length; i += 2) {
    const j = i + 2 < points.length ? i + 2 : i;
    layCapsule(bits, points[i], points[i + 1], points[j], points[j + 1], radius, tool !== "eraser");
    if (j === i || j + 2 >= points.length) break;
  }
}

/** Mark the pixels whose centres are at most `radius` away from a segment. */
function layCapsule(bits, ax, ay, bx, by, radius, on) {
  const first = Math.max(0, Math.ceil(Math.min(ay, by) - radius - 0.5));
  const last = Math.min(bits.height - 1, Math.floor(Math.max(ay, by) + radius - 0.5));
  const length = Math.hypot(bx - ax, by - ay);
  const nx = length ? (-(by - ay) / length) * radius : 0;
  const ny = length ? ((bx - ax) / length) * radius : 0;
  const corners = [ax + nx, ay + ny, bx + nx, by + ny, bx - nx, by - ny, ax - nx, ay - ny];
  for (let y = first; y <= last; y++) {
    const centre = y + 0.5;
    let low = Infinity;
    let high = -Infinity;
    for (const [x, middle] of [[ax, ay], [bx, by]]) {
      const half = radius * radius - (centre - middle) ** 2;
      if (half >= 0) {
        low = Math.min(low, x - Math.sqrt(half));
        high = Math.max(high, x + Math.sqrt(half));
      }
    }
    if (length) {
      for (let k = 0; k < 8; k += 2) {
        const [x0, y0, x1, y1] = [corners[k], corners[k + 1], corners[(k + 2) % 8], corners[(k + 3) % 8]];
        if (y0 !== y1 && centre >= Math.min(y0, y1) && centre <= Math.max(y0, y1)) {
          const x = x0 + ((centre - y0) / (y1 - y0)) * (x1 - x0);
          low = Math.min(low, x);
          high = Math.max(high, x);
        }
      }
    }
    bits.fill(y, Math.ceil(low - 0.5), Math.floor(high - 0.5), on);
  }
}

function layBits(target, { bits, x, y, erase }) {
  for (let row = 0; row < bits.height; row++) {
    let start = -1;
    for (let column = 0; column <= bits.width; column++) {
      const on = column < bits.width && bits.get(column, row);
      if (on && start < 0) start = column;
      if (!on && start >= 0) {
        target.fill(y + row, x + start, x + column - 1, !erase);
        start = -1;
      }
    }
  }
}

const SHOWN_SIDE = 2048; // of the image that stands for bits on the screen

/** Return a canvas that shows bits in one colour, reduced where they are many. */
export function bitsToImage(bits, colour) {
  const step = Math.max(1, Math.ceil(Math.max(bits.width, bits.height) / SHOWN_SIDE));
  const canvas = document.createElement("canvas");
  canvas.width = Math.ceil(bits.width / step);
  canvas.height = Math.ceil(bits.height / step);
  const context = canvas.getContext("2d");
  const image = context.createImageData(canvas.width, canvas.height);
  const [red, green, blue] = [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16));
  for (let y = 0, at = 0; y < canvas.height; y++) {
    for (let x = 0; x < canvas.width; x++, at += 4) {
      if (bits.get(x * step, y * step)) image.data.set([red, green, blue, 255], at);
    }
  }
  context.putImageData(image, 0, 0);
  return canvas;
}
