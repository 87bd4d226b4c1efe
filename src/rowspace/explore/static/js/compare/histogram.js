// How many points keep how many of their neighbours.

import { h, svg } from "../dom.js";

const WIDTH = 300, HEIGHT = 120, TOP = 16, BOTTOM = 20;

/** Bars from 0 shared neighbours to all; `colors(share)` is the colour of points with that share. */
export function histogram(counts, mean, colors) {
  const most = Math.max(...counts), all = counts.length - 1;
  const step = WIDTH / counts.length, x = (shared) => (shared + 0.5) * step;
  const height = (count) => (count / most) * (HEIGHT - TOP - BOTTOM);
  const at = x(mean * all);
  const label = `Of ${counts.reduce((a, b) => a + b).toLocaleString("en")} points, by how many of ${all} nearest are the same: ${counts.map((count, i) => `${i}: ${count.toLocaleString("en")}`).join(", ")}. The mean is ${(mean * all).toFixed(1)}.`;
  return h("div", { class: "histogram" }, svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": label },
    ...counts.flatMap((count, i) => [
      svg("rect", { class: "bar-of", x: i * step + 2, y: HEIGHT - BOTTOM - height(count), width: step - 4, height: Math.max(count ? 1 : 0, height(count)), style: { fill: colors(i / all) } }),
      svg("text", { x: x(i), y: HEIGHT - 6, "text-anchor": "middle" }, String(i)),
    ]),
    svg("line", { class: "mean", x1: at, x2: at, y1: TOP - 4, y2: HEIGHT - BOTTOM }),
    svg("text", { x: Math.min(Math.max(at, 34), WIDTH - 34), y: 9, "text-anchor": "middle" }, `mean ${(mean * all).toFixed(1)}`)));
}
