// The points that stand for very many while the view moves: the same ones every time.

const MANY = 60_000;
const SAMPLE = 40_000;

/** Rows in rising order, or null where all can be drawn at once. */
export function sampleOf(n, seed = 1) {
  if (n <= MANY) return null;
  const rows = [];
  let random = seed;
  for (let row = 0; row < n; row++) {
    random = (Math.imul(random, 1664525) + 1013904223) >>> 0; // Numerical Recipes' generator
    if (random / 2 ** 32 < SAMPLE / n) rows.push(row);
  }
  return rows;
}
