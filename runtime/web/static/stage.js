// The picture on the screen: canvases of the screen's size, whatever the size of the picture.

import { drawMark, drawMarks } from "./strokes.js";
import { View } from "./view.js";

const SMALL_SIDE = 2048; // of the copy that the fitted view is drawn from
const GRID_SCALE = 4; // from here on single pixels are seen
const OUTLINE = [["#000000", 2], ["#ffffff", 1]]; // CSS px around a mark: seen on any photograph

export class Stage {
  view = new View();
  colour = "#e5383b";
  #root;
  #layers;
  #picture = null; // {full, small, width, height}
  #parts = [];
  #marks = [];
  #queued = new Set();
  #scratch = document.createElement("canvas");

  constructor(root) {
    this.#root = root;
    this.#layers = Object.fromEntries(
      ["picture", "before", "mask"].map((name) => [name, root.querySelector(`#${name}`).getContext("2d")]),
    );
    new ResizeObserver(() => this.#resize()).observe(root);
    this.#resize();
  }

  /** Show a picture: an ImageBitmap of at least its look, and its true size in pixels. */
  async show(bitmap, width, height) {
    const reduce = Math.min(1, SMALL_SIDE / Math.max(bitmap.width, bitmap.height));
    const small = reduce === 1 ? bitmap : await createImageBitmap(bitmap, {
      resizeWidth: Math.max(1, Math.round(bitmap.width * reduce)),
      resizeHeight: Math.max(1, Math.round(bitmap.height * reduce)),
      resizeQuality: "medium",
    });
    if (this.#picture) this.#picture.full.close();
    this.#picture = { full: bitmap, small, width, height };
    this.view.picture = { width, height };
    this.view.fit();
    this.setDocument([], []);
  }

  /** Show these parts over the picture, and these marks over both. */
  setDocument(parts, marks) {
    this.#parts = parts;
    this.#marks = marks;
    this.redraw();
  }

  redraw(...layers) {
    for (const name of layers.length ? layers : ["picture", "before", "mask"]) {
      if (!this.#queued.size) requestAnimationFrame(() => this.#draw());
      this.#queued.add(name);
    }
  }

  /** Add to a mark that is being painted, from a point on; without a redraw of the others. */
  extend(mark, from) {
    const context = this.#layers.mask;
    this.#toPicture(context);
    drawMark(context, mark, this.colour, from);
    context.setTransform(1, 0, 0, 1, 0, 0);
  }

  /** Show a mark that is still to change, as a box is, over the others. */
  preview(mark) {
    this.#drawMask([...this.#marks, mark], false);
  }

  #resize() {
    const { clientWidth, clientHeight } = this.#root;
    this.view.resize(clientWidth, clientHeight, devicePixelRatio || 1);
    for (const { canvas } of Object.values(this.#layers)) {
      canvas.width = Math.max(1, Math.round(clientWidth * this.view.ratio));
      canvas.height = Math.max(1, Math.round(clientHeight * this.view.ratio));
    }
    this.redraw();
    this.#root.dispatchEvent(new Event("viewchange"));
  }

  #draw() {
    const layers = [...this.#queued];
    this.#queued.clear();
    if (!this.#picture) return;
    if (layers.includes("picture")) this.#drawPicture(this.#layers.picture, this.#parts);
    if (layers.includes("before")) this.#drawPicture(this.#layers.before, []);
    if (layers.includes("mask")) this.#drawMask(this.#marks, true);
  }

  #toPicture(context) {
    const { ratio, scale, x, y } = this.view;
    context.setTransform(ratio * scale, 0, 0, ratio * scale, ratio * x, ratio * y);
  }

  #drawPicture(context, parts) {
    const { canvas } = context;
    const { full, small, width, height } = this.#picture;
    const { ratio, scale } = this.view;
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, canvas.width, canvas.height);
    this.#toPicture(context);
    context.imageSmoothingEnabled = scale * ratio < GRID_SCALE;
    context.imageSmoothingQuality = "medium";
    const source = scale * ratio * width > small.width ? full : small;
    const [x0, y0, x1, y1] = this.#visible(width, height);
    if (x1 > x0 && y1 > y0) {
      const [across, down] = [source.width / width, source.height / height];
      context.drawImage(source, x0 * across, y0 * down, (x1 - x0) * across, (y1 - y0) * down, x0, y0, x1 - x0, y1 - y0);
    }
    for (const part of parts) context.drawImage(part.bitmap, part.x, part.y);
    if (scale >= GRID_SCALE) this.#drawGrid(context, x0, y0, x1, y1);
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.strokeStyle = "rgb(128 128 128 / .8)";
    const frame = [this.view.x, this.view.y, width * scale, height * scale].map((v) => Math.round(v * ratio));
    context.strokeRect(frame[0] - 0.5, frame[1] - 0.5, frame[2] + 1, frame[3] + 1);
  }

  #visible(width, height) {
    const [left, top] = this.view.toPicture(0, 0);
    const [right, bottom] = this.view.toPicture(this.view.width, this.view.height);
    return [
      Math.max(0, Math.floor(left)), Math.max(0, Math.floor(top)),
      Math.min(width, Math.ceil(right)), Math.min(height, Math.ceil(bottom)),
    ];
  }

  #drawGrid(context, x0, y0, x1, y1) {
    context.beginPath();
    for (let x = x0; x <= x1; x++) {
      context.moveTo(x, y0);
      context.lineTo(x, y1);
    }
    for (let y = y0; y <= y1; y++) {
      context.moveTo(x0, y);
      context.lineTo(x1, y);
    }
    context.lineWidth = 1 / (this.view.scale * this.view.ratio);
    context.strokeStyle = "rgb(128 128 128 / .35)";
    context.stroke();
  }

  /** Draw marks, and around them an outline in two colours. */
  #drawMask(marks, outlined) {
    const context = this.#layers.mask;
    const { canvas } = context;
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, canvas.width, canvas.height);
    if (!marks.length || !this.#picture) return;
    const { ratio, scale, x, y } = this.view;
    context.save();
    context.beginPath();
    context.rect(x * ratio, y * ratio, this.#picture.width * scale * ratio, this.#picture.height * scale * ratio);
    context.clip();
    if (outlined) {
      const scratch = this.#scratch;
      if (scratch.width !== canvas.width || scratch.height !== canvas.height) {
        Object.assign(scratch, { width: canvas.width, height: canvas.height });
      }
      const fine = scratch.getContext("2d");
      for (const [colour, width] of OUTLINE) {
        fine.setTransform(1, 0, 0, 1, 0, 0);
        fine.clearRect(0, 0, scratch.width, scratch.height);
        drawMarks(fine, marks, this.view, colour);
        fine.globalCompositeOperation = "source-in"; // bits have a colour of their own
        fine.fillStyle = colour;
        fine.fillRect(0, 0, scratch.width, scratch.height);
        fine.globalCompositeOperation = "source-over";
        const d = width * ratio;
        for (const [right, down] of [[d, 0], [-d, 0], [0, d], [0, -d]]) context.drawImage(scratch, right, down);
      }
      fine.clearRect(0, 0, scratch.width, scratch.height);
      drawMarks(fine, marks, this.view, this.colour);
      context.drawImage(scratch, 0, 0); // by way of it, so that an eraser spares the outline
    } else {
      drawMarks(context, marks, this.view, this.colour);
    }
    context.restore();
  }
}
