// Points on a plane, up to a million, drawn by regl-scatterplot with WebGL; a drawing above them has
// labels, arrows, lines and rings. What the points are, it does not know.
//
//   const scatter = createScatter(container, { label, fit, avoid, onHover, onSelect, onLasso, onView });
//
// The container has a size of its own. With `fit` all points fill it at zoom 1, else the square from -1
// to 1 does. `avoid()` may give elements above the map under which no label is to lie. onHover(row |
// null), onSelect([row] | []) by click or tap, onLasso(rows), onView({ x, y, zoom }, isAll) when what is
// seen has changed. Without WebGL the container says so, `scatter.works` is false, and everything here
// can be called and does nothing.
//
//   await scatter.draw(xy, { codes, values, colors, visible, view, frame, transition })
//                                    xy is x0, y0, x1, y1, … in [-1, 1]; codes: an index into colors for
//                                    each; or values: in [0, 1], NaN is grey; visible: for each colour,
//                                    false where it is faint; view: what is seen at first, else all;
//                                    frame: what `fit` fits instead, as for points that move
//   await scatter.paint({ codes, values, colors, visible })   the same points in other colours
//   scatter.setLabels([{ row | x, y, text, weight, kind, color }])  the heaviest have room; kinds, the
//                                    first being drawn first: "pin" (always), "near", "area" and
//                                    "part" (of many points, centred), ""
//   scatter.setArrows([{ from, to, kind }])         rows; kind "line" is thin and has no head
//   scatter.setMarks([{ row, kind }])               rings: "pin", "found" or "near"
//   scatter.select(rows)                            many points that stand out, as of a lasso
//   scatter.screen(row)                             [x, y] on the container in CSS pixels
//   scatter.at(row)                                 [x, y] on the plane
//   scatter.inView(limit), firstInView(limit)       rows in view; null if they are more; the first ones
//   scatter.view(), setView({ x, y, zoom }), zoomBy(factor), pan(dx, dy), reset(), zoomTo(rows)
//   scatter.setLasso(on)                            dragging encloses points instead of moving
//   await scatter.picture({ title, legend })        a PNG at twice the size, as a Blob
//   scatter.close()
//
// Of very many points a seeded sample is drawn while the view moves, and all when it rests.

import { fill, h } from "./dom.js";
import { color, onTheme } from "./theme.js";
import { createCamera } from "./scatter/camera.js";
import { createOverlay } from "./scatter/overlay.js";
import { drawDirectly } from "./scatter/direct.js";
import { listen } from "./scatter/input.js";
import { learn, sampleOf } from "./scatter/sample.js";
import { drawPicture } from "./scatter/picture.js";
import createScatterplot from "../vendor/regl-scatterplot.js";

const RESTS = 160; // milliseconds after which a view that does not change rests

/** See the top of this file. */
export function createScatter(container, { label = "Map", fit = false, avoid = () => [], onHover, onSelect, onLasso, onView } = {}) {
  container.classList.add("scatter");
  const canvas = h("canvas", { tabindex: "0", role: "application", "aria-roledescription": "map", "aria-label": label });
  fill(container, canvas);
  const box = container.getBoundingClientRect();
  const plot = plotOf({
    canvas, width: box.width || 1, height: box.height || 1, deselectOnEscape: false, deselectOnDblClick: false,
    spatialIndexUseWorker: false, pointScaleMode: "constant", actionKeyMap: { lasso: "shift" }, lassoLineWidth: 1.5,
    pointSizeSelected: 0.5, pointOutlineWidth: 0, opacityInactiveScale: 0.25, antiAliasing: 1,
  });
  if (!plot) return withoutWebGL(container);
  drawDirectly(plot);
  const state = { n: 0, xy: new Float32Array(), colors: [color("--accent")], codes: null, visible: null, selected: [], frame: null, sample: null, moving: false, last: 0, frames: [], held: false, lasso: false, lassoing: false, placed: false, closed: false };
  const camera = createCamera(plot, container);
  const overlay = createOverlay(container, place, avoid);
  const endInput = listen(canvas, { camera, isLasso: () => state.lasso, onHold: hold });
  let resting = 0;

  plot.subscribe("pointover", (row) => !state.moving && onHover?.(row));
  plot.subscribe("pointout", () => onHover?.(null));
  plot.subscribe("select", ({ points }) => chosen(points));
  plot.subscribe("lassoStart", () => { state.lassoing = true; onHover?.(null); });
  plot.subscribe("view", () => moved());
  const resizing = new ResizeObserver(() => resized());
  resizing.observe(container);
  const endTheme = onTheme(() => paintTheme());

  function chosen(points) {
    if (points.length === 1 && !state.lassoing) select1(points[0]);
    else if (points.length) {
      state.selected = points;
      onLasso?.(points);
    }
    state.lassoing = false;
  }

  function select1(row) {
    plot.select(state.selected, { preventEvent: true });
    onSelect?.(row == null ? [] : [row]);
  }

  function moved() {
    if (state.closed || !state.n) return;
    const now = performance.now();
    if (state.moving && now - state.last < 1000) state.frames.push(now - state.last);
    state.last = now;
    overlay.move();
    onHover?.(null);
    restSoon();
    if (state.sample && !state.moving) {
      state.moving = true;
      plot.filter(state.sample, { preventEvent: true });
    }
    state.moving = true;
  }

  /** What is held does not rest, even if it is still. */
  function hold(held) {
    state.held = held;
    if (!held && state.moving) restSoon();
  }

  function restSoon() {
    clearTimeout(resting);
    resting = setTimeout(rested, RESTS);
  }

  function rested() {
    if (state.closed || state.held) return;
    if (state.sample && state.moving) {
      plot.unfilter({ preventEvent: true });
      if (state.selected.length) plot.select(state.selected, { preventEvent: true });
    }
    state.moving = false;
    if (learn(state.frames, state.sample?.length ?? state.n)) state.sample = sampleOf(state.n);
    state.frames = [];
    plot.set(sizes());
    overlay.draw();
    onView?.(camera.view(), camera.isHome(camera.view()));
  }

  function resized() {
    const { width, height } = container.getBoundingClientRect();
    if (!width || !height || state.closed) return;
    const view = camera.view(); // of the size before
    plot.set({ width, height });
    camera.resize();
    camera.setView(view);
    overlay.draw();
  }

  function sizes() {
    const { pointSize, opacity } = look(state.n, camera.view().zoom);
    if (!state.visible) return { pointSize, opacity, opacityBy: null };
    return { pointSize, opacity: state.colors.map((_, i) => (state.visible[i] === false ? 0.05 : opacity)), opacityBy: "valueA" };
  }

  function paintTheme() {
    plot.set({ backgroundColor: color("--paper"), lassoColor: color("--accent"), pointColorHover: color("--ink"), pointColorActive: color("--ink") });
    overlay.draw();
  }

  /** Where a row, or a place { x, y } of the map, is on the container. */
  function place(item) {
    const row = item.row ?? item;
    if (typeof row !== "number") return camera.screen(item.x, item.y);
    return row < state.n ? camera.screen(state.xy[2 * row], state.xy[2 * row + 1]) : null;
  }

  function encoded({ codes, values, colors, visible }) {
    state.colors = colors ?? [color("--accent")];
    state.visible = visible ?? null;
    state.codes = codes ? Float32Array.from(codes) : values ? stepsOf(values, state.colors.length) : null;
    if (values) state.colors = [...state.colors, color("--soft")];
    return { pointColor: state.colors, colorBy: state.codes ? "valueA" : null, ...sizes() };
  }

  async function drawn(options) {
    const n = state.n, x = new Float32Array(n), y = new Float32Array(n);
    for (let i = 0; i < n; i++) { x[i] = state.xy[2 * i]; y[i] = state.xy[2 * i + 1]; }
    const data = state.codes ? { x, y, z: state.codes } : { x, y };
    await plot.draw(data, { zDataType: "categorical", transitionDuration: 900, ...options });
    if (state.selected.length) plot.select(state.selected, { preventEvent: true });
    overlay.draw();
  }

  paintTheme();
  return {
    works: true, plot, canvas, container,
    async draw(xy, options = {}) {
      const first = state.n === 0;
      state.n = xy.length / 2;
      state.xy = xy;
      state.sample = sampleOf(state.n);
      const frame = options.frame ?? xy, isReframed = fit && frame !== state.frame;
      state.frame = frame;
      if (isReframed) camera.home(frame);
      state.selected = [];
      plot.set(encoded(options));
      if (options.view) camera.setView(options.view);
      else if ((first && !state.placed) || (isReframed && !first && !options.transition)) camera.reset();
      await drawn({ transition: Boolean(options.transition) && !reducedMotion() });
    },
    async paint(options) {
      plot.set(encoded(options));
      await drawn({ spatialIndex: plot.get("spatialIndex") });
    },
    setLabels: overlay.setLabels,
    setArrows: overlay.setArrows,
    setMarks: overlay.setMarks,
    labelsShown: overlay.shown,
    select(rows) {
      state.selected = rows;
      if (state.n) rows.length ? plot.select(rows, { preventEvent: true }) : plot.deselect({ preventEvent: true });
    },
    screen: (row) => place(row),
    at: (row) => [state.xy[2 * row], state.xy[2 * row + 1]],
    inView: (limit = 300) => rowsInView(state, camera.bounds(), limit, false),
    firstInView: (limit) => rowsInView(state, camera.bounds(), limit, true),
    view: camera.view,
    setView(view, options) { state.placed = true; return camera.setView(view, options); },
    zoomBy: camera.zoomBy,
    pan: camera.pan,
    reset: camera.reset,
    zoomTo: (rows) => camera.fit(rows.map((row) => [state.xy[2 * row], state.xy[2 * row + 1]])),
    setLasso(on) {
      state.lasso = on;
      plot.set({ mouseMode: on ? "lasso" : "panZoom" });
      container.classList.toggle("lassoing", on);
    },
    picture: (options) => drawPicture({ canvas, items: overlay.shown(), rasterise: (scale) => plot.export({ scale, pixelAligned: false }), ...options }),
    close() {
      state.closed = true;
      clearTimeout(resting);
      resizing.disconnect();
      endTheme();
      endInput();
      overlay.close();
      plot.destroy();
    },
  };
}

/** Size in pixels and opacity of so many points at a zoom. */
function look(n, zoom) {
  const base = n > 400_000 ? 1.3 : n > 100_000 ? 1.8 : n > 30_000 ? 2.4 : n > 8_000 ? 3.2 : n > 1_500 ? 4.4 : 6.5;
  const pointSize = Math.min(12, base * Math.max(1, zoom) ** 0.45);
  const dense = n > 400_000 ? 0.3 : n > 100_000 ? 0.42 : n > 30_000 ? 0.55 : n > 8_000 ? 0.66 : 0.8;
  return { pointSize, opacity: Math.min(0.88, dense * Math.max(1, zoom) ** 0.25) };
}

/** Which of n colours each value in [0, 1] has; n where it is NaN. */
function stepsOf(values, n) {
  return Float32Array.from(values, (value) => (Number.isNaN(value) ? n : Math.min(n - 1, Math.floor(value * n))));
}

function rowsInView({ n, xy }, { left, right, bottom, top }, limit, some) {
  const rows = [];
  for (let i = 0; i < n; i++) {
    const x = xy[2 * i], y = xy[2 * i + 1];
    if (x < left || x > right || y < bottom || y > top) continue;
    if (rows.length === limit) return some ? rows : null;
    rows.push(i);
  }
  return rows;
}

function reducedMotion() {
  return matchMedia("(prefers-reduced-motion: reduce)").matches;
}

/** The plot, or null where WebGL or what it needs of it is missing. */
function plotOf(options) {
  let plot = null;
  try {
    plot = createScatterplot(options);
  } catch {
    return null;
  }
  if (plot.isSupported) return plot;
  plot.destroy();
  return null;
}

function withoutWebGL(container) {
  fill(container, h("p", { class: "no-webgl", role: "status" }, "This browser draws no WebGL, so there is no map; search and lists work all the same."));
  const nothing = () => {};
  const none = async () => {};
  return {
    works: false, plot: null, canvas: container, container, draw: none, paint: none, setLabels: nothing, setArrows: nothing,
    setMarks: nothing, labelsShown: () => [], select: nothing, screen: () => null, at: () => [0, 0], inView: () => null, firstInView: () => [], view: () => null, setView: none,
    zoomBy: nothing, pan: nothing, reset: none, zoomTo: none, setLasso: nothing, picture: async () => null, close: () => fill(container),
  };
}
