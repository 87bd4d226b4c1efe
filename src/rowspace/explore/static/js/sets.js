// The sets of points by their names in addresses.

/** Whether a set's points are words. */
export const isWords = (id) => id === "words" || id === "vocabulary";

/** What a set is called where one is chosen. */
export function titleOf({ id, n }) {
  return `${n.toLocaleString("en")} ${id === "vocabulary" ? "words, rare ones too" : id}`;
}
