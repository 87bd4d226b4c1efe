// Numbers as colours: blue below nothing, orange above, the paper's own at nothing.

import { fill, h } from "../dom.js";
import { color } from "../theme.js";
import { createFrame, showTip } from "./frame.js";
import { short } from "./numbers.js";

/**
 * A heat map of `data()`: {values: [[…]], rows: {label, names}, columns: {label, names}, limit}; a row of
 * `names` may be left out, then places are counted from 0. `cell` is the height of a row in pixels.
 */
export function createHeat({ title, cell = null, height = 260, data, onRow = null }) {
  const canvas = h("canvas", { role: "img", "aria-label": title });
  const frame = createFrame({ title, height, draw, table: () => tableOf(data() ?? { values: [], rows: {}, columns: {} }), className: "heat" });
  fill(frame.stage, canvas);
  let shape = null;
  canvas.addEventListener("pointermove", point);
  canvas.addEventListener("pointerleave", () => { frame.tip.hidden = true; onRow?.(null); });
  return frame;

  function draw(width) {
    const shown = data();
    if (!shown) return;
    const n = shown.values.length, m = shown.values[0]?.length ?? 0;
    const tall = cell ? n * cell + 34 : height;
    frame.setHeight(tall);
    const ratio = devicePixelRatio || 1;
    Object.assign(canvas, { width: Math.round(width * ratio), height: Math.round(tall * ratio) });
    canvas.style.width = `${width}px`;
    canvas.style.height = `${tall}px`;
    const context = canvas.getContext("2d");
    context.scale(ratio, ratio);
    const left = leftOf(context, shown, width), bottom = tall - 34;
    shape = { left, top: 0, width: width - left - 1, height: bottom, n, m };
    paint(context, shown, shape);
    label(context, shown, shape, width, tall);
    fill(frame.legend, scaleOf(shown.limit));
  }

  function point(event) {
    if (!shape) return;
    const box = canvas.getBoundingClientRect();
    const x = event.clientX - box.left, y = event.clientY - box.top;
    const column = Math.floor(((x - shape.left) / shape.width) * shape.m), row = Math.floor((y / shape.height) * shape.n);
    if (column < 0 || column >= shape.m || row < 0 || row >= shape.n) { frame.tip.hidden = true; return; }
    const shown = data();
    onRow?.(row);
    showTip(frame.tip, x, y - 10, box.width, h("div", { class: "at" }, `${shown.rows.label} ${nameOf(shown.rows, row)}, ${shown.columns.label} ${nameOf(shown.columns, column)}`), h("b", {}, short(shown.values[row][column])));
  }
}

/** A strip of colours, one row high, in a canvas of its own. */
export function drawStrip(canvas, values, limit) {
  const context = Object.assign(canvas, { width: values.length, height: 1 }).getContext("2d");
  context.putImageData(imageOf([values], limit), 0, 0);
}

/** The number that is drawn in the full colour: 99 of 100 are smaller. */
export function limitOf(values) {
  const sizes = Float64Array.from(values, Math.abs).sort();
  return sizes[Math.floor(sizes.length * 0.99)] || sizes[sizes.length - 1] || 1;
}

function paint(context, { values, limit }, { left, top, width, height }) {
  const small = document.createElement("canvas");
  Object.assign(small, { width: values[0]?.length ?? 1, height: values.length || 1 });
  if (values.length) small.getContext("2d").putImageData(imageOf(values, limit), 0, 0);
  context.imageSmoothingEnabled = false;
  context.drawImage(small, left, top, width, height);
}

function imageOf(values, limit) {
  const [low, middle, high] = ["--c0", "--card", "--c1"].map((name) => rgb(color(name)));
  const image = new ImageData(values[0].length, values.length);
  let place = 0;
  for (const row of values) {
    for (const value of row) {
      const share = Math.max(-1, Math.min(1, (value ?? 0) / limit));
      const end = share < 0 ? low : high;
      for (let i = 0; i < 3; i++) image.data[place + i] = middle[i] + (end[i] - middle[i]) * Math.abs(share);
      image.data[place + 3] = 255;
      place += 4;
    }
  }
  return image;
}

function rgb(hex) {
  return [1, 3, 5].map((start) => parseInt(hex.slice(start, start + 2), 16));
}

function leftOf(context, { rows, values }, width) {
  font(context);
  const names = rows.names ?? [String(values.length)];
  const longest = Math.max(...names.map((name) => context.measureText(name).width), 20);
  return Math.min(longest + (rows.names ? 12 : 34), width * 0.4);
}

function label(context, { rows, columns, values }, { left, width, height, n, m }, wide, tall) {
  font(context);
  context.fillStyle = color("--soft");
  context.textAlign = "right";
  context.textBaseline = "middle";
  const each = Math.max(1, Math.ceil(n / (height / (rows.names ? 13 : 34))));
  for (let row = 0; row < n; row += each) context.fillText(nameOf(rows, row), left - 6, Math.max(7, ((row + 0.5) * height) / n), left - 8);
  context.textAlign = "center";
  context.textBaseline = "top";
  const step = Math.max(1, Math.ceil(m / (width / 64) / 8) * 8);
  for (let column = 0; column < m; column += step) context.fillText(nameOf(columns, column), left + ((column + 0.5) * width) / m, height + 4);
  context.fillText(columns.label, left + width / 2, height + 19);
  if (rows.names) return;
  context.save();
  context.translate(7, height / 2);
  context.rotate(-Math.PI / 2);
  context.fillText(rows.label, 0, -5);
  context.restore();
}

function font(context) {
  context.font = `12px ${getComputedStyle(document.body).fontFamily}`;
}

function nameOf({ names }, place) {
  return names ? names[place] : String(place);
}

function scaleOf(limit) {
  const bar = h("span", { class: "bar-scale", "aria-hidden": "true" });
  return h("li", {}, `−${short(limit)}`, bar, short(limit));
}

function tableOf({ values, rows, columns }) {
  const shown = (values[0] ?? []).slice(0, 24);
  return {
    head: [`${rows.label} ╲ ${columns.label}`, ...shown.map((_, column) => nameOf(columns, column))],
    rows: values.map((row, place) => [nameOf(rows, place), ...row.slice(0, 24).map(short)]),
  };
}
