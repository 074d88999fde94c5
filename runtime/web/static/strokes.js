// Painted marks, in pixels of the picture. A mark is one of
//   {tool: "brush" | "eraser", size, points: [x, y, x, y, ...]}
//   {tool: "box", x, y, width, height}
//   {tool: "bits", bits: Bits, x, y, erase}        a mask file, or what a repair has finished

import { bitsToImage } from "./raster.js";

/** Draw marks on a canvas of the screen's size. */
export function drawMarks(context, marks, view, colour) {
  context.save();
  context.setTransform(view.ratio * view.scale, 0, 0, view.ratio * view.scale, view.ratio * view.x, view.ratio * view.y);
  for (const mark of marks) drawMark(context, mark, colour);
  context.restore();
}

/** Draw one mark; the context is in pixels of the picture. `from` skips points drawn before. */
export function drawMark(context, mark, colour, from = 0) {
  const erase = mark.tool === "eraser" || mark.erase;
  context.globalCompositeOperation = erase ? "destination-out" : "source-over";
  context.fillStyle = context.strokeStyle = colour;
  if (mark.tool === "box") {
    context.fillRect(mark.x, mark.y, mark.width, mark.height);
  } else if (mark.tool === "bits") {
    mark.image ??= bitsToImage(mark.bits, colour);
    context.imageSmoothingEnabled = false;
    context.drawImage(mark.image, mark.x, mark.y, mark.bits.width, mark.bits.height);
  } else {
    const points = mark.points;
    context.lineCap = context.lineJoin = "round";
    context.lineWidth = mark.size;
    context.beginPath();
    context.moveTo(points[from], points[from + 1]);
    if (points.length - from <= 2) context.lineTo(points[from] + 0.001, points[from + 1]);
    for (let i = from + 2; i < points.length; i += 2) context.lineTo(points[i], points[i + 1]);
    context.stroke();
  }
  context.globalCompositeOperation = "source-over";
}

/** Side of the largest square that surely fits into a mark: what the network must invent at once. */
export function thickness(mark) {
  if (mark.tool === "brush") return mark.size;
  return mark.tool === "box" ? Math.min(mark.width, mark.height) : 0;
}
