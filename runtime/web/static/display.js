// The display of the page's state.

import { $, locked, page, stage } from "./state.js";
import { texts } from "./texts.js";

const SIZE_MOST = 600; // px on the screen

export function enter(next, text) {
  page.state = next;
  document.body.dataset.state = next;
  if (text !== undefined) note(text);
  $("retry").hidden = next !== "error" || !page.again;
  if (next !== "running") $("progress").hidden = true;
  refresh();
}

export const note = (text) => ($("status").textContent = text);

/** Show a progress bar without a known end. */
export function showProgress() {
  $("progress").removeAttribute("value");
  $("progress").hidden = false;
}

export function refresh() {
  const { work, said, server } = page;
  const busy = locked();
  const active = ["running", "waiting", "busy"].includes(page.state);
  $("undo").disabled = busy || !work.canUndo;
  $("redo").disabled = busy || !work.canRedo;
  $("clear").disabled = busy || !work.marks.length;
  $("repair").textContent = active ? "Stop" : "Repair";
  const reason = !page.file ? texts.reasonOpen : page.offline ? texts.reasonOffline : work.marks.length ? "" : texts.reasonMark;
  $("repair").disabled = !active && (busy || reason !== "");
  $("repair").title = $("reason").textContent = active ? "" : reason;
  for (const id of ["download", "download-png", "download-mask", "copy", "box-add", "open-mask"]) $(id).disabled = busy;
  $("compare-label").hidden = !work.parts.length || busy;
  $("zoom").hidden = !said;
  $("zoom").textContent = `${Math.round(stage.view.scale * 100)} %`;
  for (const name of ["scale", "x", "y"]) $("zoom").dataset[name] = stage.view[name];
  $("facts").textContent = texts.facts(said, server);
  showSize();
  showBefore();
}

export function showDocument() {
  stage.setDocument(page.work.parts, page.work.marks);
  refresh();
}

/** Show the original left of the slider, or everywhere while O is held. */
export function showBefore(all = document.body.hasAttribute("data-original")) {
  const { view } = stage;
  const shown = page.work.parts.length > 0 && Number($("compare").value) > 0;
  const share = all ? 1 : shown ? Number($("compare").value) / 100 : 0;
  const edge = all ? view.width : view.x + view.picture.width * view.scale * share;
  $("before").style.clipPath = share ? `inset(0 ${Math.max(0, view.width - edge)}px 0 0)` : "inset(0 100% 0 0)";
  $("divider").hidden = all || !share || share === 1;
  $("divider").style.left = `${edge}px`;
  $("compare").setAttribute("aria-valuetext", share === 1 ? "before" : share ? `before left of ${Math.round(100 * share)} %` : "after");
}

/* ---- the brush ---- */

export const brushSize = () => Math.max(1, Math.round(page.screenSize / (page.said ? stage.view.scale : 1)));

function showSize() {
  $("size").value = Math.round((100 * Math.log(page.screenSize)) / Math.log(SIZE_MOST));
  $("size-value").textContent = `${brushSize()} px`;
  $("size").setAttribute("aria-valuetext", `${brushSize()} pixels`);
}

function setSize(size, least = 0) {
  page.screenSize = Math.min(SIZE_MOST, Math.max(least, size));
  showSize();
}

export const resize = (factor) => setSize(page.screenSize * factor, Math.max(1, stage.view.scale * 0.6));
export const stepSize = (pixels) => setSize(Math.max(1, brushSize() + pixels) * stage.view.scale);
export const slideSize = (share) => setSize(SIZE_MOST ** share);
