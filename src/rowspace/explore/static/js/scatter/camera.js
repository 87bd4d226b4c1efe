// What part of the plane is seen: { x, y, zoom }, the middle in the points' numbers; at zoom 1 all of
// [-1, 1] fits. Positions on the screen are computed here, as often as labels need them.

const MARGIN = 0.94;
const MOST = 4000;

/** The camera of a plot in a container. */
export function createCamera(plot, container) {
  const size = () => [container.clientWidth || 1, container.clientHeight || 1];
  const whole = () => { // scale at which all fits; at scale 1 the height does
    const [width, height] = size();
    return MARGIN * Math.min(1, width / height);
  };
  const matrix = () => plot.get("camera").view;

  function view() {
    const m = matrix();
    return { x: -m[12] / m[0], y: -m[13] / m[5], zoom: m[0] / whole() };
  }

  function setView({ x = 0, y = 0, zoom = 1 }, { transition = false } = {}) {
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
  }

  /** Zoom about a place of the container in pixels, or its middle. */
  function zoomBy(factor, at) {
    const [width, height] = size();
    const zoom = view().zoom;
    const within = Math.min(MOST, Math.max(0.3, zoom * factor)) / zoom;
    const around = at ? [(at[0] / width * 2 - 1) * (width / height), 1 - (at[1] / height) * 2] : undefined;
    plot.get("camera").scale([within, within], around);
  }

  function fit(places) {
    if (!places.length) return Promise.resolve();
    const xs = places.map(([x]) => x), ys = places.map(([, y]) => y);
    const [left, right] = range(xs), [bottom, top] = range(ys), [width, height] = size();
    const aspect = Math.max(1, width / height), tall = Math.max(1, height / width);
    const wanted = Math.min((2 * aspect) / Math.max(right - left, 0.02), (2 * tall) / Math.max(top - bottom, 0.02)) * 0.75;
    return setView({ x: (left + right) / 2, y: (bottom + top) / 2, zoom: wanted }, { transition: true });
  }

  return { view, setView, screen, bounds, pan, zoomBy, fit, reset: () => setView({}), resized: (before) => setView(before) };
}

function range(values) {
  return values.reduce(([low, high], value) => [Math.min(low, value), Math.max(high, value)], [Infinity, -Infinity]);
}
