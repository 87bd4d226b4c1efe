// The state of a map as parameters of the address and back.

const BETWEEN = "\n"; // keys hold anything, but hardly a line's end

/** { x, y, zoom } as three rounded numbers. */
export function writeView(view) {
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
