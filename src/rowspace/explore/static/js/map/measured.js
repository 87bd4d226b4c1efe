// How far a map can be trusted: what is told beside it, and below a saved picture of it.

export const MEANING = "Trustworthiness: how far what is near on the map is near in the vectors too. 1: all of it; 0.5: as by chance. Its 15 nearest, on up to 2,000 points.";

/** A line about a layout of n points, as `about` and `sets` tell of it. */
export function toldOf(layout, n) {
  const { label, method, trustworthiness, n_fitted: fitted, n_empty: empty = 0 } = layout;
  const few = method !== "pca" && trustworthiness == null;
  return [
    few ? `PCA, as there are too few points for ${label}` : label,
    trustworthiness == null ? null : `trustworthiness ${trustworthiness.toFixed(2)}`,
    !few && fitted < n - empty ? `fitted to ${fitted.toLocaleString("en")}` : null,
    empty ? `${empty.toLocaleString("en")} without a direction, below` : null,
  ].filter(Boolean).join(" · ");
}
