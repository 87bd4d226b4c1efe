// Fingers and keys on a map. The mouse is regl-scatterplot's; it hears a single finger that is dragged
// as a mouse, two fingers pan and zoom here. Arrows pan, + and - zoom, 0 shows all.

const STEP = 60; // pixels that an arrow key moves
const NEAR = 6; // pixels a finger may move and still taps

/** `onHold(held)` while a button or finger is down. Returns what ends listening. */
export function listen(canvas, { camera, isLasso, onHold }) {
  const fingers = new Map();
  let last = null; // of two fingers: their middle and distance
  let dragged = null; // the finger that acts as a mouse: where it began, and whether it moved

  const on = (target, name, act, options) => {
    target.addEventListener(name, act, options);
    return () => target.removeEventListener(name, act, options);
  };
  const ends = [
    on(canvas, "pointerdown", down), on(canvas, "pointermove", move),
    on(canvas, "pointerup", up), on(canvas, "pointercancel", up), on(canvas, "keydown", key),
    on(canvas, "pointerdown", () => onHold(true)), on(window, "pointerup", () => onHold(false)), on(window, "pointercancel", () => onHold(false)),
  ];

  function down(event) {
    if (event.pointerType !== "touch") return;
    canvas.setPointerCapture(event.pointerId);
    fingers.set(event.pointerId, [event.clientX, event.clientY]);
    if (fingers.size === 1) dragged = { from: event, moved: false };
    else {
      if (dragged?.moved && isLasso()) mouse("mouseup", event);
      dragged = null;
      last = pair();
    }
  }

  function move(event) {
    if (!fingers.has(event.pointerId)) return;
    const before = fingers.get(event.pointerId);
    fingers.set(event.pointerId, [event.clientX, event.clientY]);
    if (fingers.size === 2) pinch();
    else if (dragged) drag(event, before);
  }

  function drag(event, before) {
    const far = Math.hypot(event.clientX - dragged.from.clientX, event.clientY - dragged.from.clientY);
    if (!dragged.moved && far > NEAR) {
      dragged.moved = true;
      if (isLasso()) mouse("mousedown", dragged.from);
    }
    if (!dragged.moved) return;
    if (isLasso()) mouse("mousemove", event);
    else camera.pan(event.clientX - before[0], event.clientY - before[1]);
  }

  function up(event) {
    if (!fingers.delete(event.pointerId)) return;
    if (dragged?.moved && isLasso()) mouse("mouseup", event);
    dragged = null;
    last = fingers.size === 2 ? pair() : null;
  }

  function pinch() {
    const now = pair();
    if (last) {
      camera.pan(now.x - last.x, now.y - last.y);
      camera.zoomBy(now.apart / last.apart, [now.x, now.y]);
    }
    last = now;
  }

  function pair() {
    const box = canvas.getBoundingClientRect();
    const [[ax, ay], [bx, by]] = [...fingers.values()];
    return { x: (ax + bx) / 2 - box.left, y: (ay + by) / 2 - box.top, apart: Math.max(1, Math.hypot(ax - bx, ay - by)) };
  }

  function mouse(name, { clientX, clientY }) {
    const target = name === "mousedown" ? canvas : window;
    target.dispatchEvent(new MouseEvent(name, { clientX, clientY, buttons: name === "mouseup" ? 0 : 1, bubbles: true }));
  }

  function key(event) {
    const act = {
      ArrowLeft: () => camera.pan(STEP, 0), ArrowRight: () => camera.pan(-STEP, 0),
      ArrowUp: () => camera.pan(0, STEP), ArrowDown: () => camera.pan(0, -STEP),
      "+": () => camera.zoomBy(1.3), "=": () => camera.zoomBy(1.3), "-": () => camera.zoomBy(1 / 1.3), 0: () => camera.reset(),
    }[event.key];
    if (!act || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    act();
  }

  return () => ends.forEach((end) => end());
}
