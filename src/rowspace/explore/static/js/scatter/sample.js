// The points that stand for very many while the view moves: as many as are drawn in time here, and the
// same ones every time.

const SLOW = 50; // milliseconds of a frame after which fewer are drawn
const FAST = 20; // and more
const [LEAST, MOST] = [6_000, 2_000_000];

let budget = 12_000; // of this browser, for all maps

/** Rows in rising order, or null where all can be drawn at once. */
export function sampleOf(n, seed = 1) {
  if (n <= 2 * budget) return null;
  const rows = [];
  let random = seed;
  for (let row = 0; row < n; row++) {
    random = (Math.imul(random, 1664525) + 1013904223) >>> 0; // Numerical Recipes' generator
    if (random / 2 ** 32 < budget / n) rows.push(row);
  }
  return rows;
}

/** Notes how long frames took while n points were drawn; whether another sample is better. */
export function learn(frames, n) {
  if (frames.length < 3) return false;
  const middle = frames.toSorted((a, b) => a - b)[frames.length >> 1];
  const before = budget;
  if (middle > SLOW) budget = Math.max(LEAST, Math.min(budget, n) / 2);
  else if (middle < FAST && n >= budget / 2) budget = Math.min(MOST, 4 * budget);
  return budget !== before;
}
