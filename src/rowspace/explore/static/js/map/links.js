// The state of a map as parameters of the address and back.

const BETWEEN = "\n"; // keys hold anything, but hardly a line's end

/** { x, y, zoom } as three rounded numbers, or null for all of the map. */
export function writeView(view) {
  if (!view || (Math.abs(view.zoom - 1) < 0.005 && Math.hypot(view.x, view.y) < 0.005)) return null;
  const digits = Math.max(2, Math.ceil(Math.log10(view.zoom * 500)));
  return [view.x.toFixed(digits), view.y.toFixed(digits), view.zoom.toFixed(2)].map(Number).join(",");
}

/** The inverse; null where it says nothing that can be used. */
export function readView(text) {
  const [x, y, zoom] = (text ?? "").split(",").map(Number);
  return text && [x, y, zoom].every(Number.isFinite) && zoom > 0 ? { x, y, zoom } : null;
}

/** Keys of pinned points. */
export const writeKeys = (keys) => (keys.length ? keys.join(BETWEEN) : null);
export const readKeys = (text) => (text ? text.split(BETWEEN) : []);
