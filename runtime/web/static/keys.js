// The keyboard.

import { showBefore, stepSize } from "./display.js";
import { choose, fit, pointer, showPixels, undo } from "./painting.js";
import { startRepair, stop } from "./runs.js";
import { copy, download } from "./saving.js";
import { $, page } from "./state.js";

const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const LETTERS = {
  b: () => choose("brush"),
  e: () => choose("eraser"),
  x: () => choose("box"),
  0: fit,
  1: showPixels,
  "[": (shift) => stepSize(shift ? -10 : -1),
  "]": (shift) => stepSize(shift ? 10 : 1),
  "{": () => stepSize(-10),
  "}": () => stepSize(10),
  "?": () => $("help").showModal(),
};
const CONTROL = {
  z: (shift) => undo(!shift),
  y: () => undo(false),
  o: () => $("file").click(),
  s: () => download("same"),
  c: copy,
};

function press(event) {
  const { target, shiftKey, altKey } = event;
  const letter = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  const typing = target.matches?.("input:not([type=radio]):not([type=range]):not([type=checkbox]), select, textarea");
  if (document.querySelector("dialog[open]") || altKey) return;
  if (event.ctrlKey || event.metaKey) {
    if (typing || !CONTROL[letter] || (letter === "c" && String(getSelection()))) return;
    event.preventDefault();
    CONTROL[letter](shiftKey);
  } else if (letter === "Escape") {
    if (!pointer.drop()) stop();
  } else if (typing || target.closest?.(".menu")) {
    return;
  } else if (target === $("stage") && ARROWS[letter]) {
    event.preventDefault();
    const [right, down] = ARROWS[letter];
    const by = shiftKey ? 10 : 1;
    pointer.cross.move(right * by, down * by);
  } else if (letter === " " && (target === $("stage") || target === document.body)) {
    event.preventDefault();
    pointer.space(true);
    const byKeys = !$("cross").hidden || $("stage").matches(":focus-visible");
    if (byKeys && target === $("stage") && !event.repeat && page.said) pointer.cross.press();
  } else if (letter === "Enter" && !target.closest?.("button, summary")) {
    startRepair();
  } else if ($("keys").checked && letter === "o") {
    document.body.dataset.original = "";
    showBefore(true);
  } else if ($("keys").checked && LETTERS[letter]) {
    event.preventDefault();
    LETTERS[letter](shiftKey);
  }
}

function release(event) {
  if (event.key === " ") {
    pointer.space(false);
    pointer.cross.release();
  }
  if (event.key.toLowerCase() === "o") {
    delete document.body.dataset.original;
    showBefore(false);
  }
}

export function listenToKeys() {
  addEventListener("keydown", press);
  addEventListener("keyup", release);
}
