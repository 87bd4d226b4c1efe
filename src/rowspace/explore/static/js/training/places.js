// Where words stand at each step, and between two.

/** `floats` are x and y of each of `n` words, a step after the other. */
export function createPlaces(floats, n) {
  const nSteps = floats.length / (2 * n);
  const mixed = new Float32Array(2 * n);

  /** x0, y0, x1, … at a place between two steps. */
  function at(place) {
    const step = Math.min(Math.floor(place), nSteps - 1), next = Math.min(step + 1, nSteps - 1);
    const share = smooth(place - step), a = 2 * n * step, b = 2 * n * next;
    for (let i = 0; i < 2 * n; i++) mixed[i] = floats[a + i] * (1 - share) + floats[b + i] * share;
    return mixed;
  }

  /** The way of a word up to a place, as lines. */
  function trail(row, place) {
    const points = [];
    for (let step = 0; step <= Math.floor(place); step++) points.push(point(step, row));
    const now = at(place);
    points.push({ x: now[2 * row], y: now[2 * row + 1] });
    return points.slice(1).map((to, i) => ({ from: points[i], to, kind: "line" }));
  }

  function point(step, row) {
    const i = 2 * (n * step + row);
    return { x: floats[i], y: floats[i + 1] };
  }

  return { at, trail, nSteps };
}

function smooth(share) {
  return share * share * (3 - 2 * share);
}
