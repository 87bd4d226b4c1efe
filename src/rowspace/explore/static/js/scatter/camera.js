// What part of the plane is seen: { x, y, zoom }, the middle in the points' numbers; at zoom 1 all of
// [-1, 1] fits, or all points do. Positions on the screen are computed here, as often as labels need
// them.

const MARGIN = 0.94;
const MOST = 4000;
const SQUARE = { x: 0, y: 0, halfWidth: 1, halfHeight: 1 };
const FAR = 0.0005; // the share of points on each side that may lie outside of the whole

/** The camera of a plot in a container. */
export function createCamera(plot, container) {
  const measured = () => [container.clientWidth || 1, container.clientHeight || 1];
  let known = measured();
  const size = () => known;
  let home = SQUARE;
  const whole = () => { // scale at which all fits; at scale 1 the height is 2
    const [width, height] = size();
    return MARGIN * Math.min(1 / home.halfHeight, width / height / home.halfWidth);
  };
  const matrix = () => plot.get("camera").view;

  function view() {
    const m = matrix();
    return { x: -m[12] / m[0], y: -m[13] / m[5], zoom: m[0] / whole() };
  }

  function setView({ x = home.x, y = home.y, zoom = 1 }, { transition = false } = {}) {
    const scale = Math.min(MOST, Math.max(0.3, zoom)) * whole();
    const smooth = transition && !matchMedia("(prefers-reduced-motion: reduce)").matches;
    return plot.zoomToLocation([x, y], 1 / scale, { transition: smooth, transitionDuration: 450 });
  }

  function screen(x, y) {
    const m = matrix(), [width, height] = size();
    return [width / 2 + (height / 2) * (m[0] * x + m[12]), height / 2 - (height / 2) * (m[5] * y + m[13])];
  }

  function bounds() {
    const m = matrix(), [width, height] = size(), aspect = width / height;
    return { left: (-aspect - m[12]) / m[0], right: (aspect - m[12]) / m[0], bottom: (-1 - m[13]) / m[5], top: (1 - m[13]) / m[5] };
  }

  /** Move by pixels. */
  function pan(dx, dy) {
    const [, height] = size();
    plot.get("camera").pan([(2 * dx) / height, (-2 * dy) / height]);
    plot.redraw();
  }

  /** Zoom about a place of the container in pixels, or its middle. */
  function zoomBy(factor, at) {
    const [width, height] = size();
    const zoom = view().zoom;
    const within = Math.min(MOST, Math.max(0.3, zoom * factor)) / zoom;
    const around = at ? [(at[0] / width * 2 - 1) * (width / height), 1 - (at[1] / height) * 2] : undefined;
    plot.get("camera").scale([within, within], around);
    plot.redraw();
  }

  function isHome({ x, y, zoom }) {
    return Math.abs(zoom - 1) < 0.005 && Math.hypot(x - home.x, y - home.y) < 0.005;
  }

  function fit(places) {
    if (!places.length) return Promise.resolve();
    const xs = places.map(([x]) => x), ys = places.map(([, y]) => y);
    const [left, right] = range(xs), [bottom, top] = range(ys), [width, height] = size();
    const scale = 0.75 * Math.min((2 * width) / height / Math.max(right - left, 0.02), 2 / Math.max(top - bottom, 0.02));
    const wanted = Math.min(scale / whole(), 40);
    return setView({ x: (left + right) / 2, y: (bottom + top) / 2, zoom: wanted }, { transition: true });
  }

  return { view, setView, screen, bounds, pan, zoomBy, fit, home: (xy) => { home = boxOf(xy); }, isHome, resize: () => { known = measured(); }, reset: () => setView({}) };
}

/** Where all points but a few far ones are. */
function boxOf(xy) {
  const step = Math.max(1, Math.floor(xy.length / 2 / 20_000));
  const sides = [0, 1].map((side) => {
    const values = Float32Array.from({ length: Math.floor(xy.length / 2 / step) }, (_, i) => xy[2 * i * step + side]).sort();
    const cut = Math.floor(FAR * values.length);
    return [values[cut], values[values.length - 1 - cut]];
  });
  const [[left, right], [bottom, top]] = sides;
  if (!(right > left && top > bottom)) return SQUARE;
  return { x: (left + right) / 2, y: (bottom + top) / 2, halfWidth: (right - left) / 2, halfHeight: (top - bottom) / 2 };
}

function range(values) {
  return values.reduce(([low, high], value) => [Math.min(low, value), Math.max(high, value)], [Infinity, -Infinity]);
}
