// The page: its state, its buttons and keys. The document lives here and nowhere else.

import * as api from "./api.js";
import { imageOf, openPhotograph, readMask, save } from "./files.js";
import { Document } from "./history.js";
import { listen } from "./input.js";
import { encodePng } from "./png.js";
import { rasterise } from "./raster.js";
import { remaining, repair } from "./repairing.js";
import { Stage } from "./stage.js";
import { thickness } from "./strokes.js";
import { texts } from "./texts.js";

const $ = (id) => document.getElementById(id);
const SIZE_MOST = 600; // px on the screen
const POLL_MS = 2000;
const LOCKED = ["empty", "opening", "waiting", "running", "busy"];

const stage = new Stage($("stage"));
let server = null; // what /api/v1/info says
let file = null;
let said = null; // what the server says of the file
let work = new Document();
let state = "empty";
let screenSize = 24; // of the brush, in CSS pixels: constant while zooming
let abort = null;
let again = null; // what "Try again" does
let offline = false;
let saved = true;

/* ---- what is shown ---- */

function enter(next, text) {
  state = next;
  document.body.dataset.state = next;
  if (text !== undefined) $("status").textContent = text;
  $("retry").hidden = next !== "error" || !again;
  if (next !== "running") $("progress").hidden = true;
  refresh();
}

function refresh() {
  const busy = LOCKED.includes(state);
  const active = ["running", "waiting", "busy"].includes(state);
  $("undo").disabled = busy || !work.canUndo;
  $("redo").disabled = busy || !work.canRedo;
  $("clear").disabled = busy || !work.marks.length;
  $("repair").textContent = active ? "Stop" : "Repair";
  const reason = !file ? texts.reasonOpen : offline ? texts.reasonOffline : work.marks.length ? "" : texts.reasonMark;
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

function showDocument(parts = work.parts) {
  stage.setDocument(parts, work.marks);
  refresh();
}

const brushSize = () => Math.max(1, Math.round(screenSize / (said ? stage.view.scale : 1)));

function showSize() {
  $("size").value = Math.round((100 * Math.log(screenSize)) / Math.log(SIZE_MOST));
  $("size-value").textContent = `${brushSize()} px`;
  $("size").setAttribute("aria-valuetext", `${brushSize()} pixels`);
}

function resize(factor) {
  const least = Math.max(1, stage.view.scale * 0.6);
  screenSize = Math.min(SIZE_MOST, Math.max(least, screenSize * factor));
  showSize();
}

function step(pixels) {
  const size = Math.max(1, brushSize() + pixels);
  screenSize = Math.min(SIZE_MOST, size * stage.view.scale);
  showSize();
}

/** Show the original left of the slider, or everywhere while O is held. */
function showBefore(all = document.body.hasAttribute("data-original")) {
  const { view } = stage;
  const shown = work.parts.length > 0 && Number($("compare").value) > 0;
  const share = all ? 1 : shown ? Number($("compare").value) / 100 : 0;
  const edge = all ? view.width : view.x + view.picture.width * view.scale * share;
  $("before").style.clipPath = share ? `inset(0 ${Math.max(0, view.width - edge)}px 0 0)` : "inset(0 100% 0 0)";
  $("divider").hidden = all || !share || share === 1;
  $("divider").style.left = `${edge}px`;
  $("compare").setAttribute("aria-valuetext", share === 1 ? "before" : share ? `before left of ${Math.round(100 * share)} %` : "after");
}

/* ---- opening ---- */

async function open(next) {
  if (!next) return;
  abort?.abort();
  abort = new AbortController();
  const { signal } = abort;
  if (server && next.size > server.limits.max_upload_bytes) {
    fail(texts.tooLarge(next.size, server.limits.max_upload_bytes), () => $("file").click());
    return;
  }
  if (!saved && !confirm("The last repair is not downloaded. Open another picture?")) return;
  enter("opening", texts.opening(next.name || "the picture", next.size));
  $("progress").removeAttribute("value");
  $("progress").hidden = false;
  try {
    const opened = await openPhotograph(next, signal);
    [file, said, work, saved] = [next, opened.said, new Document(), true];
    $("compare").value = 0;
    await stage.show(opened.bitmap, said.width, said.height);
    pointer.cross.reset();
    for (const [id, side] of [["box-x", "width"], ["box-y", "height"], ["box-w", "width"], ["box-h", "height"]]) $(id).max = said[side];
    enter("loaded", [texts.loaded, ...said.warnings.map((one) => one.text)].join("\n"));
    $("stage").focus({ preventScroll: true });
  } catch (error) {
    if (error.name !== "AbortError") fail(error, () => open(next));
  }
}

async function openMask(chosen) {
  if (!chosen || !said) return;
  try {
    const bits = await readMask(chosen);
    if (!bits) return note(texts.maskProtected);
    if (bits.width !== said.width || bits.height !== said.height) {
      return note(texts.maskSize(bits.width, bits.height, `${said.width} x ${said.height}`));
    }
    const count = bits.count();
    if (!count) return note(texts.maskEmpty);
    painted({ tool: "bits", bits, x: 0, y: 0 }, texts.maskRead(count / (said.width * said.height)));
  } catch {
    note(texts.notShown);
  }
}

/** Open what was dropped or pasted: a mask if its name says so and a picture is open. */
function take(dropped) {
  if (dropped && said && /mask/i.test(dropped.name) && !LOCKED.includes(state)) openMask(dropped);
  else if (!["running", "waiting"].includes(state)) open(dropped);
}

async function openSample() {
  const answer = await fetch("/sample.jpg").catch(() => null);
  if (answer?.ok) open(new File([await answer.blob()], "sample.jpg", { type: "image/jpeg" }));
  else goOffline();
}

/* ---- painting ---- */

let counting = 0;

function painted(mark, text) {
  work.add(mark);
  enter("loaded", text ?? $("status").textContent);
  showDocument();
  clearTimeout(counting);
  if (text === undefined) counting = setTimeout(tellShare, 60);
  if ($("at-once").checked && !offline && mark.tool !== "eraser") startRepair();
}

function tellShare() {
  if (state !== "loaded" || !said) return;
  if (!work.marks.length) return note(texts.loaded);
  const share = rasterise(work.marks, said.width, said.height).count() / (said.width * said.height);
  const widest = Math.round(Math.max(...work.marks.map(thickness)));
  const most = server?.model.trained_hole ?? Infinity;
  note(texts.marked(share) + (widest > most ? ` ${texts.large(widest, most)}` : ""));
}

const note = (text) => ($("status").textContent = text);

/* ---- repairing ---- */

async function startRepair({ retried = false } = {}) {
  if (!file || !work.marks.length || offline || LOCKED.includes(state)) return;
  abort = new AbortController();
  const options = { blend: $("blend").value, dilate: Number($("dilate").value) || "" };
  const before = work.parts;
  enter("running", texts.sending);
  $("progress").removeAttribute("value");
  $("progress").hidden = false;
  try {
    const tell = (told) => {
      if (told.state !== state) enter(told.state);
      if (told.text) note(told.text);
      $("progress").hidden = false;
      if (told.runs) Object.assign($("progress"), { max: told.runs, value: told.done });
    };
    const show = (parts) => stage.setDocument([...before, ...parts], remaining(work.marks, parts));
    const done = await repair({ file, said, edits: work.edits, marks: work.marks, options, signal: abort.signal, tell, show });
    keep(done.parts, []);
    enter("loaded", done.parts.length ? texts.repaired(done.seconds, done.model) : texts.nothing);
  } catch (error) {
    await interrupted(error, retried);
  }
}

function keep(parts, marks) {
  if (!parts.length) return;
  work.repaired(parts, marks);
  saved = false;
  showDocument();
}

/** What was finished stays as an edit; the rest of the marks stays too. */
async function interrupted(error, retried) {
  const parts = error.parts ?? [];
  keep(parts, remaining(work.marks, parts));
  showDocument();
  if (error.name === "AbortError") enter("loaded", texts.stopped(parts.length));
  else if (error.status === 503 && error.retryAfter && !retried) await waitTurn(error.retryAfter);
  else fail(error, () => startRepair());
}

async function waitTurn(seconds) {
  abort = new AbortController();
  const { signal } = abort;
  enter("busy");
  for (let left = seconds; left > 0 && !signal.aborted; left--) {
    note(texts.busy(left));
    await new Promise((resolve) => {
      setTimeout(resolve, 1000);
      signal.addEventListener("abort", resolve, { once: true });
    });
  }
  enter("loaded", signal.aborted ? texts.stopped(0) : texts.sending);
  if (!signal.aborted) startRepair({ retried: true });
}

function fail(error, retry) {
  again = retry;
  if (error instanceof api.Unreachable) {
    goOffline();
    enter(file ? "loaded" : "empty", file ? texts.reasonOffline : texts.empty);
    return;
  }
  if (!(error instanceof api.Refused) && typeof error !== "string") console.error(error);
  const text = typeof error === "string" ? error : error.status === 401 ? texts.token : texts.failed(error.message, error.requestId);
  enter(file ? "error" : "empty", text);
  $("retry").hidden = false;
}

/* ---- the server comes and goes ---- */

function goOffline() {
  if (offline) return;
  offline = true;
  $("banner").textContent = texts.offline;
  $("banner").hidden = false;
  refresh();
  const timer = setInterval(async () => {
    try {
      await api.ready();
    } catch {
      return;
    }
    clearInterval(timer);
    offline = false;
    $("banner").hidden = true;
    note(texts.online);
    await meet();
    refresh();
  }, POLL_MS);
}

async function meet() {
  try {
    server = await api.info();
    $("limits").textContent = texts.limits(server.limits.max_upload_bytes, server.limits.max_pixels);
    const here = ["localhost", "127.0.0.1", "[::1]"].includes(location.hostname);
    $("privacy").textContent = here ? texts.here : texts.there(location.hostname);
    refresh();
  } catch (error) {
    if (error instanceof api.Unreachable) goOffline();
    else note(error.status === 401 ? texts.token : error.message);
  }
}

/* ---- saving ---- */

async function download(format) {
  if (!file || LOCKED.includes(state)) return null;
  if (format === "same" && !work.parts.length) return save(file, file.name || "picture");
  note(texts.saving);
  try {
    const { blob, name } = await api.apply(file, work.edits, format);
    save(blob, name);
    saved = true;
    note(texts.saved(name));
  } catch (error) {
    fail(error, () => download(format));
  }
  return null;
}

async function downloadMask() {
  const blob = await encodePng(rasterise(work.marks, said.width, said.height));
  const name = `${(file.name || "picture").replace(/\.\w+$/, "")}_mask.png`;
  save(blob, name);
  note(texts.saved(name));
}

async function copy() {
  if (!file || LOCKED.includes(state)) return;
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

/* ---- wiring ---- */

const tool = () => document.querySelector("input[name=tool]:checked").value;
const choose = (name) => (document.querySelector(`input[name=tool][value=${name}]`).checked = true);
const moved = () => {
  stage.redraw();
  $("stage").dispatchEvent(new Event("viewchange"));
};
const pointer = listen($("stage"), {
  stage,
  tool,
  size: brushSize,
  resize,
  moved,
  open: () => said !== null && state !== "opening",
  locked: () => LOCKED.includes(state),
  begin: () => clearTimeout(counting),
  end: (mark) => painted(mark),
});

function undo(back) {
  if (LOCKED.includes(state)) return;
  if (back) work.undo();
  else work.redo();
  saved = !work.parts.length;
  enter("loaded");
  showDocument();
  tellShare();
}

function stop() {
  abort?.abort();
}

function addBox() {
  const [x, y, w, h] = ["box-x", "box-y", "box-w", "box-h"].map((id) => Math.round(Number($(id).value)) || 0);
  const [left, top] = [Math.max(0, x), Math.max(0, y)];
  const [width, height] = [Math.min(said.width, x + w) - left, Math.min(said.height, y + h) - top];
  if (width > 0 && height > 0) painted({ tool: "box", x: left, y: top, width, height });
}

const clicks = {
  open: () => $("file").click(),
  "open-large": () => $("file").click(),
  "open-mask": () => $("mask-file").click(),
  sample: openSample,
  undo: () => undo(true),
  redo: () => undo(false),
  clear: () => {
    work.clear();
    enter("loaded", texts.loaded);
    showDocument();
  },
  repair: () => ($("repair").textContent === "Stop" ? stop() : startRepair()),
  retry: () => again?.(),
  download: () => download("same"),
  "download-png": () => download("png"),
  "download-mask": downloadMask,
  copy,
  "box-add": addBox,
  zoom: () => {
    stage.view.fit();
    moved();
  },
  "help-open": () => $("help").showModal(),
};
for (const [id, action] of Object.entries(clicks)) $(id).addEventListener("click", action);

for (const [id, action] of [["file", open], ["mask-file", openMask]]) {
  $(id).addEventListener("change", () => {
    action($(id).files[0]);
    $(id).value = "";
  });
}
$("size").addEventListener("input", () => {
  screenSize = SIZE_MOST ** (Number($("size").value) / 100);
  showSize();
});
$("compare").addEventListener("input", () => showBefore());
$("colour").addEventListener("change", () => {
  stage.colour = $("colour").value;
  for (const mark of work.marks) delete mark.image;
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
  if (!saved) event.preventDefault();
});

/* ---- keys ---- */

const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const LETTERS = {
  b: () => choose("brush"),
  e: () => choose("eraser"),
  x: () => choose("box"),
  0: () => clicks.zoom(),
  1: () => {
    stage.view.zoom(1 / stage.view.scale);
    moved();
  },
  "[": (shift) => step(shift ? -10 : -1),
  "]": (shift) => step(shift ? 10 : 1),
  "{": () => step(-10),
  "}": () => step(10),
  "?": () => $("help").showModal(),
};
const CONTROL = {
  z: (shift) => undo(!shift),
  y: () => undo(false),
  o: () => $("file").click(),
  s: () => download("same"),
  c: copy,
};

function key(event) {
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
    if (byKeys && target === $("stage") && !event.repeat && said) pointer.cross.press();
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

addEventListener("keydown", key);
addEventListener("keyup", (event) => {
  if (event.key === " ") {
    pointer.space(false);
    pointer.cross.release();
  }
  if (event.key.toLowerCase() === "o") {
    delete document.body.dataset.original;
    showBefore(false);
  }
});

enter("empty", texts.empty);
meet();
