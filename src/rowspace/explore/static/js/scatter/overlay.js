// What is drawn above the points: labels that keep clear of one another, arrows, lines and rings. It is
// laid out into plain items, which the page shows as SVG and a saved picture draws on a canvas.

import { fill, svg } from "../dom.js";

const KINDS = {
  pin: { size: 13.5, weight: 650 },
  near: { size: 12.5, weight: 500 },
  area: { size: 13, weight: 600, centred: true },
  part: { size: 12, weight: 550, centred: true },
  "": { size: 12, weight: 400 },
};
const GAP = 3;
const BESIDE = 11;

let pen = null;
function widthOf(text, { size, weight }) {
  pen ??= document.createElement("canvas").getContext("2d");
  pen.font = `${weight} ${size}px ${getComputedStyle(document.body).fontFamily}`;
  return pen.measureText(text).width;
}

/**
 * The drawing of a container; `place(item)` tells where a row, or { x, y }, is on it, `avoid()` which
 * elements no label may lie under.
 */
export function createOverlay(container, place, avoid) {
  const root = svg("svg", { class: "overlay", "aria-hidden": "true" });
  container.append(root);
  const state = { labels: [], arrows: [], marks: [], items: [], from: null };
  const layer = svg("g");
  root.append(layer);
  let waiting = 0;

  function draw() {
    cancelAnimationFrame(waiting);
    waiting = 0;
    state.items = laidOut();
    state.from = corners();
    layer.removeAttribute("transform");
    fill(layer, ...state.items.map(element));
  }

  /** Soon, once for all that changes in a frame. */
  function later() {
    waiting ||= requestAnimationFrame(draw);
  }

  /** While the view moves, the drawing moves with it as one; zoomed, its labels keep their size. */
  function move() {
    const now = corners();
    const [x, y, scale] = [now.x - state.from?.x, now.y - state.from?.y, now.scale / state.from?.scale];
    if (Math.abs(scale - 1) < 1e-4) layer.setAttribute("transform", `translate(${x.toFixed(1)} ${y.toFixed(1)})`);
    else later();
  }

  /** Where the plane's origin is, and how many pixels its unit is. */
  function corners() {
    const [x, y] = place({ x: 0, y: 0 });
    return { x, y, scale: place({ x: 1, y: 0 })[0] - x };
  }

  function laidOut() {
    const size = [container.clientWidth, container.clientHeight];
    return [...state.arrows.flatMap((arrow) => line(arrow)), ...state.marks.flatMap((mark) => ring(mark)), ...texts(size)];
  }

  function line({ from, to, kind = "arrow" }) {
    const a = place(from), b = place(to);
    if (!a || !b) return [];
    const long = Math.hypot(b[0] - a[0], b[1] - a[1]);
    if (kind !== "arrow" || long < 14) return [{ kind, x1: a[0], y1: a[1], x2: b[0], y2: b[1] }];
    const [ux, uy] = [(b[0] - a[0]) / long, (b[1] - a[1]) / long]; // the head stops before the point
    return [{ kind, x1: a[0] + 7 * ux, y1: a[1] + 7 * uy, x2: b[0] - 8 * ux, y2: b[1] - 8 * uy, ux, uy }];
  }

  function ring({ row, kind = "found" }) {
    const at = place(row);
    return at ? [{ kind: "ring", of: kind, x: at[0], y: at[1], r: kind === "pin" ? 7.5 : kind === "found" ? 5 : 4.5 }] : [];
  }

  function texts([width, height]) {
    const taken = covered(), shown = [];
    const order = [...state.labels].sort((a, b) => heavy(b) - heavy(a));
    for (const label of order) {
      const at = place(label.row ?? label);
      if (!at || at[0] < 0 || at[1] < 0 || at[0] > width || at[1] > height) continue;
      const tried = placings(label, at, width);
      const text = tried.find(({ box }) => !taken.some((other) => overlap(other, box))) ?? (label.kind === "pin" ? tried[0] : null);
      if (!text) continue;
      taken.push(text.box);
      shown.push(text);
    }
    return shown.reverse();
  }

  function covered() {
    const frame = container.getBoundingClientRect();
    return avoid().filter(({ hidden }) => !hidden).map((element) => {
      const { left, top, right, bottom } = element.getBoundingClientRect();
      return [left - frame.left, top - frame.top, right - frame.left, bottom - frame.top];
    });
  }

  return {
    draw, move,
    setLabels(labels) { state.labels = labels; later(); },
    setArrows(arrows) { state.arrows = arrows; later(); },
    setMarks(marks) { state.marks = marks; later(); },
    shown: () => (waiting ? laidOut() : state.items),
    close() { cancelAnimationFrame(waiting); root.remove(); },
  };
}

function heavy({ kind = "", weight = 0 }) {
  return { pin: 3e12, near: 2e12, area: 1e12, part: 1e11, "": 0 }[kind] + weight;
}

/** Where a label can be: in the middle, or beside, below and above its point. */
function placings({ text, kind = "", color }, [x, y], width) {
  const style = KINDS[kind], wide = widthOf(text, style), base = y + style.size * 0.34;
  const at = (left, baseline) => ({ kind: "text", of: kind, text, x: left, y: baseline, ...style, color, box: [left - GAP, baseline - style.size - GAP, left + wide + GAP, baseline + GAP + 3] });
  if (style.centred) return [at(Math.max(6, Math.min(x - wide / 2, width - wide - 6)), base)];
  const beside = x + BESIDE + wide > width - 4 ? [at(x - BESIDE - wide, base)] : [at(x + BESIDE, base), at(x - BESIDE - wide, base)];
  if (kind === "") return beside.slice(0, 1);
  return [...beside, at(x - wide / 2, base + 19), at(x - wide / 2, base - 17)];
}

function overlap(a, b) {
  return a[0] < b[2] && b[0] < a[2] && a[1] < b[3] && b[1] < a[3];
}

function element(item) {
  if (item.kind === "text") {
    return svg("text", { class: `label ${item.of}`, x: item.x.toFixed(1), y: item.y.toFixed(1), "font-size": item.size, "font-weight": item.weight, style: item.color ? { fill: item.color } : null }, item.text);
  }
  if (item.kind === "ring") return svg("circle", { class: `ring ${item.of}`, cx: item.x, cy: item.y, r: item.r });
  const shaft = svg("line", { class: item.kind, x1: item.x1, y1: item.y1, x2: item.x2, y2: item.y2 });
  return item.ux == null ? shaft : svg("g", {}, shaft, svg("path", { class: "head", d: head(item) }));
}

/** The path of an arrow's head. */
export function head({ x2, y2, ux, uy }) {
  const point = (along, across) => `${(x2 + along * ux - across * uy).toFixed(1)} ${(y2 + along * uy + across * ux).toFixed(1)}`;
  return `M${point(2, 0)}L${point(-8, 4.2)}L${point(-6, 0)}L${point(-8, -4.2)}Z`;
}
