// Pointers and keys on the stage: painting, moving, zooming. Two fingers never paint.

const WHEEL = 1.0015;
const LINE_PX = 30; // a wheel that counts lines

/** The interface of the page: {stage, tool(), size(), locked(), begin(), end(mark), resize(factor)}. */
export function listen(root, page) {
  const { stage } = page;
  const pointers = new Map();
  const ring = root.querySelector("#ring");
  let mark = null; // being painted
  let last = null; // where the last stroke ended, for Shift+click
  let pan = null;
  let pinch = null;
  let space = false;

  const at = (event) => {
    const box = root.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  };

  function start(event) {
    if (!page.open()) return;
    root.focus({ preventScroll: true });
    root.setPointerCapture(event.pointerId);
    pointers.set(event.pointerId, at(event));
    if (pointers.size === 2) {
      drop();
      pinch = spread();
      return;
    }
    if (pointers.size > 2) return;
    if (event.button === 1 || space) {
      pan = at(event);
      return;
    }
    if (page.locked() || event.button > 2) return;
    event.preventDefault();
    const tool = event.button === 2 ? "eraser" : page.tool();
    const [x, y] = stage.view.toPicture(...at(event));
    if (tool === "box") {
      mark = { tool, from: [x, y], x: Math.floor(x), y: Math.floor(y), width: 1, height: 1 };
      return;
    }
    mark = { tool, size: page.size(), points: event.shiftKey && last ? [...last, x, y] : [x, y] };
    stage.extend(mark, 0);
    page.begin();
  }

  function move(event) {
    showRing(event);
    if (!pointers.has(event.pointerId)) return;
    const before = pointers.get(event.pointerId);
    pointers.set(event.pointerId, at(event));
    if (pinch) {
      if (pointers.size === 2) zoomByFingers();
    } else if (pan) {
      const [x, y] = at(event);
      stage.view.pan(x - before[0], y - before[1]);
      page.moved();
    } else if (mark?.tool === "box") {
      Object.assign(mark, boxBetween(mark.from, stage.view.toPicture(...at(event))));
      stage.preview(mark);
    } else if (mark) {
      const from = Math.max(0, mark.points.length - 2);
      const events = event.getCoalescedEvents?.() ?? [];
      for (const one of events.length ? events : [event]) mark.points.push(...stage.view.toPicture(...at(one)));
      stage.extend(mark, from);
    }
  }

  function boxBetween([x0, y0], [x1, y1]) {
    const { width, height } = stage.view.picture;
    const clamp = (value, most) => Math.min(most, Math.max(0, value));
    const [left, top] = [clamp(Math.floor(Math.min(x0, x1)), width), clamp(Math.floor(Math.min(y0, y1)), height)];
    const [right, bottom] = [clamp(Math.ceil(Math.max(x0, x1)), width), clamp(Math.ceil(Math.max(y0, y1)), height)];
    return { x: left, y: top, width: Math.max(0, right - left), height: Math.max(0, bottom - top) };
  }

  function stop(event) {
    if (!pointers.delete(event.pointerId)) return;
    if (pointers.size < 2) pinch = null;
    if (!pointers.size) pan = null;
    if (!mark) return;
    const done = mark;
    mark = null;
    if (event.type === "pointercancel") {
      stage.redraw("mask");
      return;
    }
    finish(done);
  }

  function finish(done) {
    if (done.tool === "box") {
      delete done.from;
      if (done.width && done.height) page.end(done);
      else stage.redraw("mask");
      return;
    }
    last = done.points.slice(-2);
    page.end(done);
  }

  function drop() {
    if (!mark) return false;
    mark = null;
    stage.redraw("mask");
    return true;
  }

  function spread() {
    const [[x0, y0], [x1, y1]] = [...pointers.values()];
    return { length: Math.hypot(x1 - x0, y1 - y0), x: (x0 + x1) / 2, y: (y0 + y1) / 2 };
  }

  function zoomByFingers() {
    const now = spread();
    stage.view.pan(now.x - pinch.x, now.y - pinch.y);
    stage.view.zoom(now.length / Math.max(1, pinch.length), now.x, now.y);
    pinch = now;
    page.moved();
  }

  function wheel(event) {
    if (!page.open()) return;
    event.preventDefault();
    const delta = (event.deltaY || event.deltaX) * (event.deltaMode === 1 ? LINE_PX : 1);
    if (event.altKey) {
      page.resize(WHEEL ** -delta);
    } else {
      stage.view.zoom(WHEEL ** -(delta * (event.ctrlKey ? 4 : 1)), ...at(event));
      page.moved();
    }
    showRing(event);
  }

  function showRing(event) {
    const shown = page.open() && event.pointerType !== "touch" && page.tool() !== "box" && !page.locked() && !space;
    ring.style.visibility = shown ? "visible" : "hidden";
    if (!shown) return;
    const side = Math.max(3, page.size() * stage.view.scale);
    const [x, y] = at(event);
    Object.assign(ring.style, { width: `${side}px`, height: `${side}px`, left: `${x - side / 2}px`, top: `${y - side / 2}px` });
  }

  root.addEventListener("pointerdown", start);
  root.addEventListener("pointermove", move);
  root.addEventListener("pointerup", stop);
  root.addEventListener("pointercancel", stop);
  root.addEventListener("pointerleave", () => (ring.style.visibility = "hidden"));
  root.addEventListener("contextmenu", (event) => page.open() && event.preventDefault());
  root.addEventListener("wheel", wheel, { passive: false });

  const cross = crossHair(root, page, (point) => (last = point));
  return {
    drop,
    /** Space: held to move the picture with the pointer, or to paint with the keys. */
    space(down) {
      space = down;
      root.classList.toggle("panning", down);
    },
    cross,
  };
}

/** Painting with the keys: a cross-hair that the arrows move. */
function crossHair(root, page, ended) {
  const element = root.querySelector("#cross");
  const { stage } = page;
  let point = null; // in pixels of the picture
  let mark = null;

  function place() {
    element.hidden = !point || document.activeElement !== root;
    if (!point) return;
    const { x, y, scale } = stage.view;
    Object.assign(element.style, { left: `${x + point[0] * scale}px`, top: `${y + point[1] * scale}px` });
  }

  function move(right, down) {
    const { width, height } = stage.view.picture;
    point ??= [width / 2, height / 2];
    point = [Math.min(width - 0.5, Math.max(0.5, point[0] + right)), Math.min(height - 0.5, Math.max(0.5, point[1] + down))];
    if (mark) {
      mark.points.push(...point);
      stage.extend(mark, mark.points.length - 4);
    }
    place();
  }

  root.addEventListener("blur", place);
  root.addEventListener("focus", place);
  root.addEventListener("viewchange", place);
  return {
    move,
    place,
    reset() {
      point = mark = null;
      place();
    },
    press() {
      if (mark || page.locked()) return;
      move(0, 0);
      const tool = page.tool() === "eraser" ? "eraser" : "brush";
      mark = { tool, size: page.size(), points: [...point] };
      stage.extend(mark, 0);
    },
    release() {
      if (!mark) return;
      ended(mark.points.slice(-2));
      page.end(mark);
      mark = null;
    },
  };
}
