// Painting: strokes become marks of the document, which can be undone.

import { brushSize, enter, note, resize, showDocument } from "./display.js";
import { listen } from "./input.js";
import { rasterise } from "./raster.js";
import { startRepair } from "./runs.js";
import { $, locked, page, stage } from "./state.js";
import { thickness } from "./strokes.js";
import { texts } from "./texts.js";

let counting = 0; // timer of the share that is shown

export function painted(mark, text) {
  page.work.add(mark);
  enter("loaded", text ?? $("status").textContent);
  showDocument();
  clearTimeout(counting);
  if (text === undefined) counting = setTimeout(tellShare, 60);
  if ($("at-once").checked && !page.offline && mark.tool !== "eraser") startRepair();
}

function tellShare() {
  const { said, server, work } = page;
  if (page.state !== "loaded" || !said) return;
  if (!work.marks.length) return note(texts.loaded);
  const share = rasterise(work.marks, said.width, said.height).count() / (said.width * said.height);
  const widest = Math.round(Math.max(...work.marks.map(thickness)));
  const most = server?.model.trained_hole ?? Infinity;
  note(texts.marked(share) + (widest > most ? ` ${texts.large(widest, most)}` : ""));
}

export function undo(back) {
  const { work } = page;
  if (locked()) return;
  if (back) work.undo();
  else work.redo();
  page.saved = !work.parts.length;
  enter("loaded");
  showDocument();
  tellShare();
}

export function clear() {
  page.work.clear();
  enter("loaded", texts.loaded);
  showDocument();
}

/** Mark the box that is typed in, as far as it lies in the picture. */
export function addBox() {
  const [x, y, w, h] = ["box-x", "box-y", "box-w", "box-h"].map((id) => Math.round(Number($(id).value)) || 0);
  const [left, top] = [Math.max(0, x), Math.max(0, y)];
  const [width, height] = [Math.min(page.said.width, x + w) - left, Math.min(page.said.height, y + h) - top];
  if (width > 0 && height > 0) painted({ tool: "box", x: left, y: top, width, height });
}

export const choose = (name) => (document.querySelector(`input[name=tool][value=${name}]`).checked = true);

function moved() {
  stage.redraw();
  $("stage").dispatchEvent(new Event("viewchange"));
}

export function fit() {
  stage.view.fit();
  moved();
}

export function showPixels() {
  stage.view.zoom(1 / stage.view.scale);
  moved();
}

export const pointer = listen($("stage"), {
  stage,
  tool: () => document.querySelector("input[name=tool]:checked").value,
  size: brushSize,
  resize,
  moved,
  open: () => page.said !== null && page.state !== "opening",
  locked,
  begin: () => clearTimeout(counting),
  end: (mark) => painted(mark),
});
