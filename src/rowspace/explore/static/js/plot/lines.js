// Curves over one axis: lines or steps, linear or logarithmic, with a tip that reads all curves at once.

import { fill, h, svg } from "../dom.js";
import { createFrame, showTip } from "./frame.js";
import { logTicks, short, ticks } from "./numbers.js";

const DASHES = ["", "7 4", "2 3", "10 3 2 3", "4 2"];

/**
 * A plot of `data()`: {x: {label, log, values}, y: {label, log, low, high}, series: [{name, values,
 * color, dash, steps}], marks: [{x, text}]}. It is asked for again on `redraw()`.
 */
export function createLines({ title, height = 280, data }) {
  let scales = null;
  const hidden = new Set(); // names of curves that the legend's buttons took away
  const frame = createFrame({ title, height, draw, table: () => tableOf(data() ?? { x: { values: [] }, series: [] }) });
  const guide = svg("line", { class: "guide" });
  frame.stage.addEventListener("pointermove", point);
  frame.stage.addEventListener("pointerleave", () => { frame.tip.hidden = true; guide.style.display = "none"; });
  return frame;

  function draw(width) {
    const shown = data();
    if (!shown) return;
    const { x, y, marks = [] } = shown;
    const series = visible(shown.series);
    scales = scalesOf(x, y, series.length ? series : shown.series, width, height);
    guide.style.display = "none";
    const clip = `clip-${title.replace(/\W+/g, "-")}`;
    fill(frame.stage, svg("svg", { width, height, role: "img", "aria-label": title },
      svg("clipPath", { id: clip }, svg("rect", { x: scales.left - 4, y: scales.top - 4, width: scales.right - scales.left + 8, height: scales.bottom - scales.top + 4 })),
      ...axes(scales, x, y, width, height),
      ...marks.flatMap((mark) => markAt(scales, mark)),
      svg("g", { "clip-path": `url(#${clip})` }, ...series.map((one) => curve(scales, x.values, one))), guide));
    drawLegend(shown.series.filter((one) => one.name));
  }

  function visible(series) {
    return series.filter((one) => !hidden.has(one.name));
  }

  function drawLegend(series) {
    const focused = document.activeElement?.closest?.(".plot") === frame.element ? document.activeElement.dataset.name : null;
    fill(frame.legend, ...series.map((one) => h("li", {}, h("button", { type: "button", class: "quiet", "data-name": one.name, "aria-pressed": String(!hidden.has(one.name)), onclick: () => toggle(one.name) }, swatch(one), one.name))));
    if (focused) [...frame.legend.querySelectorAll("button")].find((button) => button.dataset.name === focused)?.focus();
  }

  function toggle(name) {
    if (!hidden.delete(name)) hidden.add(name);
    frame.redraw();
  }

  function point(event) {
    if (!scales) return;
    const { x, series: all } = data();
    const series = visible(all);
    const box = frame.stage.getBoundingClientRect();
    const place = nearest(x.values.map(scales.x), event.clientX - box.left);
    const at = scales.x(x.values[place]);
    for (const [name, value] of [["x1", at], ["x2", at], ["y1", scales.top], ["y2", scales.bottom]]) guide.setAttribute(name, value);
    guide.style.display = "";
    const lines = series.slice(0, 14).map((one) => h("div", {}, swatch(one), `${one.name || x.label}: `, h("b", {}, short(one.values[place]))));
    showTip(frame.tip, at, event.clientY - box.top - 20, box.width, h("div", { class: "at" }, `${x.label} ${short(x.values[place])}`), ...lines);
  }
}

function scalesOf(x, y, series, width, height) {
  const all = series.flatMap((one) => one.values).filter((value) => value != null && Number.isFinite(value) && (!y.log || value > 0));
  let low = y.low ?? Math.min(...all), high = y.high ?? Math.max(...all);
  if (!(high > low)) { low -= 0.5; high += 0.5; }
  if (y.log) { low *= 0.9; high *= 1.1; } else { const room = (high - low) * 0.04; low -= y.low == null ? room : 0; high += y.high == null ? room : 0; }
  const powers = y.log ? logTicks(low, high) : [];
  const yTicks = (powers.length > 1 ? powers : ticks(low, high, height / 48)).filter((v) => v >= low * (low > 0 ? 0.999 : 1.001) && v <= high + Math.abs(high) * 1e-6);
  const left = 30 + 7 * Math.max(...yTicks.map((value) => short(value).length), 1), right = width - 14, top = 8, bottom = height - 44;
  const xs = x.values, from = xs[0], to = xs[xs.length - 1];
  const xTicks = x.ticks ?? (x.log ? logTicks(Math.max(from, 1e-12), to) : ticks(from, to, Math.max(2, width / 110)));
  return { left, right, top, bottom, xTicks, yTicks, x: scale(from, to, left, right, x.log), y: scale(low, high, bottom, top, y.log) };
}

function scale(from, to, first, last, log) {
  const f = log ? (value) => Math.log(Math.max(value, 1e-300)) : (value) => value;
  const a = f(from), b = f(to);
  return (value) => first + (b > a ? (f(value) - a) / (b - a) : 0.5) * (last - first);
}

function axes(s, x, y, width, height) {
  return [
    ...s.yTicks.flatMap((value) => [
      svg("line", { class: value === 0 ? "grid zero" : "grid", x1: s.left, x2: s.right, y1: s.y(value), y2: s.y(value) }),
      svg("text", { class: "tick end", x: s.left - 6, y: s.y(value) + 4 }, short(value))]),
    ...s.xTicks.flatMap((value) => [
      svg("line", { class: "grid", x1: s.x(value), x2: s.x(value), y1: s.bottom, y2: s.bottom + 4 }),
      svg("text", { class: "tick middle", x: s.x(value), y: s.bottom + 17 }, short(value))]),
    svg("line", { class: "axis", x1: s.left, x2: s.right, y1: s.bottom, y2: s.bottom }),
    svg("text", { class: "label middle", x: (s.left + s.right) / 2, y: height - 6 }, x.label),
    svg("text", { class: "label middle", transform: `translate(13 ${(s.top + s.bottom) / 2}) rotate(-90)` }, y.label),
  ];
}

function markAt(s, { x, text }) {
  const at = s.x(x);
  if (at < s.left || at > s.right) return [];
  const isRight = at > (s.left + s.right) / 2;
  return [svg("line", { class: "mark", x1: at, x2: at, y1: s.top, y2: s.bottom }),
    svg("text", { class: isRight ? "tick end" : "tick", x: at + (isRight ? -5 : 5), y: s.top + 11 }, text)];
}

function curve(s, xs, { values, color = 0, dash = 0, steps = false, dots = false }) {
  let path = "", isDown = false, before = null;
  values.forEach((value, i) => {
    if (value == null || !Number.isFinite(value)) { isDown = false; return; }
    const px = s.x(xs[i]).toFixed(2), py = s.y(value).toFixed(2);
    if (steps && isDown) path += `L${px} ${before}`;
    path += `${isDown ? "L" : "M"}${px} ${py}`;
    isDown = true; before = py;
  });
  const line = svg("path", { class: "curve", d: path, "stroke-dasharray": DASHES[dash % DASHES.length] });
  line.style.stroke = `var(--c${color % 12})`;
  if (!dots) return line;
  const marks = values.map((value, i) => {
    if (value == null) return null;
    const dot = svg("circle", { cx: s.x(xs[i]), cy: s.y(value), r: 3 });
    dot.style.fill = `var(--c${color % 12})`;
    return dot;
  });
  return svg("g", {}, line, ...marks);
}

function swatch({ color = 0, dash = 0 }) {
  const line = svg("line", { x1: 0, x2: 22, y1: 5, y2: 5, "stroke-width": 2.5, "stroke-dasharray": DASHES[dash % DASHES.length] });
  line.style.stroke = `var(--c${color % 12})`;
  return svg("svg", { width: 22, height: 10, "aria-hidden": "true" }, line);
}

function nearest(places, at) {
  let best = 0;
  places.forEach((place, i) => { if (Math.abs(place - at) < Math.abs(places[best] - at)) best = i; });
  return best;
}

function tableOf({ x, series }) {
  return { head: [x.label, ...series.map((one) => one.name || "value")], rows: x.values.map((at, i) => [short(at), ...series.map((one) => short(one.values[i]))]) };
}
