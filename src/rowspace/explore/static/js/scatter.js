// Points on a plane, up to a million: regl-scatterplot draws them with WebGL; a drawing above them has
// labels and arrows. What the points are, it does not know.

import { fill, h, svg } from "./dom.js";
import { color, onTheme } from "./theme.js";
import createScatterplot from "../vendor/regl-scatterplot.js";

/**
 * A scatter plot in `container`, which has a size of its own.
 *
 * onHover(row | null), onSelect(rows), onLasso(rows) and onView() may be given.
 */
export function createScatter(container, { label = "Map", onHover, onSelect, onLasso, onView } = {}) {
  const canvas = h("canvas", { tabindex: "0", role: "img", "aria-label": label });
  const overlay = svg("svg", { class: "overlay", "aria-hidden": "true" });
  fill(container, canvas, overlay);
  container.classList.add("scatter");
  const { width, height } = container.getBoundingClientRect();
  const plot = createScatterplot({ canvas, width, height, lassoColor: color("--accent"), deselectOnEscape: true });
  const state = { n: 0, x: new Float32Array(), y: new Float32Array(), labels: [], arrows: [], colors: [color("--accent")] };

  plot.subscribe("pointOver", (row) => onHover?.(row));
  plot.subscribe("pointOut", () => onHover?.(null));
  plot.subscribe("select", ({ points }) => (points.length > 1 ? onLasso : onSelect)?.(points));
  plot.subscribe("deselect", () => onSelect?.([]));
  plot.subscribe("view", () => { drawOverlay(); onView?.(); });
  const resizing = new ResizeObserver(() => {
    const box = container.getBoundingClientRect();
    if (box.width && box.height) plot.set({ width: box.width, height: box.height });
    drawOverlay();
  });
  resizing.observe(container);
  const endTheme = onTheme(() => paint());

  function paint() {
    plot.set({ backgroundColor: color("--paper"), lassoColor: color("--accent"), pointColorHover: color("--ink"), pointColorActive: color("--ink") });
    drawOverlay();
  }

  /** Where a row is on the container, in CSS pixels. */
  function screen(row) {
    return plot.getScreenPosition(row);
  }

  function drawOverlay() {
    fill(overlay, ...state.arrows.map(arrow), ...state.labels.map(text));
  }

  function arrow({ from, to }) {
    const a = screen(from), b = screen(to);
    return a && b ? svg("line", { class: "arrow", x1: a[0], y1: a[1], x2: b[0], y2: b[1] }) : null;
  }

  function text({ row, text: words }) {
    const place = screen(row);
    return place ? svg("text", { x: place[0] + 7, y: place[1] + 4 }, words) : null;
  }

  paint();
  return {
    plot, canvas,
    /** Show other points: xy has x0, y0, x1, y1, … in [-1, 1]; `codes` an index into `colors` for each. */
    async draw(xy, { codes, colors, values, transition = false } = {}) {
      state.n = xy.length / 2;
      state.x = Float32Array.from({ length: state.n }, (_, i) => xy[2 * i]);
      state.y = Float32Array.from({ length: state.n }, (_, i) => xy[2 * i + 1]);
      plot.set({ pointColor: colors ?? state.colors, colorBy: codes ? "valueA" : values ? "valueB" : null, pointSize: size(state.n), opacity: state.n > 50_000 ? 0.5 : 0.85 });
      await plot.draw({ x: state.x, y: state.y, z: codes, w: values }, { transition });
      drawOverlay();
    },
    /** [{row, text}] */
    setLabels(labels) { state.labels = labels; drawOverlay(); },
    /** [{from: row, to: row}] */
    setArrows(arrows) { state.arrows = arrows; drawOverlay(); },
    select(rows) { plot.select(rows, { preventEvent: true }); },
    screen,
    close() {
      resizing.disconnect();
      endTheme();
      plot.destroy();
    },
  };
}

function size(n) {
  return n > 200_000 ? 1.5 : n > 50_000 ? 2 : n > 5_000 ? 3 : 5;
}
