// The page: its buttons, menus and events. See state.js for what it holds.

import { meet } from "./connection.js";
import { enter, refresh, showBefore, slideSize } from "./display.js";
import { imageOf } from "./files.js";
import { listenToKeys } from "./keys.js";
import { open, openMask, openSample, take } from "./opening.js";
import { addBox, clear, fit, undo } from "./painting.js";
import { startRepair, stop } from "./runs.js";
import { copy, download, downloadMask } from "./saving.js";
import { $, page, stage } from "./state.js";
import { texts } from "./texts.js";

const clicks = {
  open: () => $("file").click(),
  "open-large": () => $("file").click(),
  "open-mask": () => $("mask-file").click(),
  sample: openSample,
  undo: () => undo(true),
  redo: () => undo(false),
  clear,
  repair: () => ($("repair").textContent === "Stop" ? stop() : startRepair()),
  retry: () => page.again?.(),
  download: () => download("same"),
  "download-png": () => download("png"),
  "download-mask": downloadMask,
  copy,
  "box-add": addBox,
  zoom: fit,
  "help-open": () => $("help").showModal(),
};
for (const [id, action] of Object.entries(clicks)) $(id).addEventListener("click", () => action());

for (const [id, action] of [["file", open], ["mask-file", openMask]]) {
  $(id).addEventListener("change", () => {
    action($(id).files[0]);
    $(id).value = "";
  });
}
$("size").addEventListener("input", () => slideSize(Number($("size").value) / 100));
$("compare").addEventListener("input", () => showBefore());
$("colour").addEventListener("change", () => {
  stage.colour = $("colour").value;
  for (const mark of page.work.marks) delete mark.image;
  stage.redraw("mask");
});
$("stage").addEventListener("viewchange", refresh);
for (const menu of document.querySelectorAll(".menu")) {
  menu.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !menu.open) return;
    event.stopPropagation();
    menu.open = false;
    menu.querySelector("summary").focus();
  });
  menu.addEventListener("click", (event) => {
    if (event.target.closest("button")) menu.open = false;
  });
}
document.addEventListener("pointerdown", (event) => {
  for (const menu of document.querySelectorAll(".menu[open]")) if (!menu.contains(event.target)) menu.open = false;
});

addEventListener("dragover", (event) => {
  event.preventDefault();
  document.body.dataset.dragging = "";
});
addEventListener("dragleave", () => delete document.body.dataset.dragging);
addEventListener("drop", (event) => {
  event.preventDefault();
  delete document.body.dataset.dragging;
  take(imageOf(event.dataTransfer));
});
addEventListener("paste", (event) => take(imageOf(event.clipboardData)));
addEventListener("beforeunload", (event) => {
  if (!page.saved) event.preventDefault();
});

listenToKeys();
enter("empty", texts.empty);
meet();
