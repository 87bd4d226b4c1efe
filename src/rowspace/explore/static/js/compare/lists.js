// What is listed beside the two maps: a point's neighbours in both, and the points that changed most.

import { fill, h } from "../dom.js";
import { isWords } from "../sets.js";
import { histogram } from "./histogram.js";

/** The neighbours of a point: only in A, in both, only in B. */
export function showPoint(root, { label, k, a, b, names, labelOf, onGo, onPoint }) {
  const inA = new Map(a.map((one) => [one.i, one])), inB = new Map(b.map((one) => [one.i, one]));
  const both = a.filter(({ i }) => inB.has(i));
  const parts = [
    [`In both`, both.map(({ i }) => ({ i, note: `${inA.get(i).similarity.toFixed(2)} · ${inB.get(i).similarity.toFixed(2)}` }))],
    [`Only in A, ${names.a}`, a.filter(({ i }) => !inB.has(i)).map(noted)],
    [`Only in B, ${names.b}`, b.filter(({ i }) => !inA.has(i)).map(noted)],
  ];
  fill(root,
    h("h2", {}, label),
    h("p", { class: "note" }, `${both.length} of its ${k} nearest are the same.`),
    ...parts.filter(([, points]) => points.length).flatMap(([title, points]) => [h("h3", {}, title), pointsOf(points, { title, labelOf, onGo, onPoint })]));
}

function noted({ i, similarity }) {
  return { i, note: similarity.toFixed(2) };
}

/** A list of points as buttons. */
function pointsOf(points, { title, labelOf, onGo, onPoint }) {
  return h("ol", { class: "points", "aria-label": title }, ...points.map(({ i, note }) => h("li", {},
    h("button", {
      type: "button", class: "point", onclick: () => onGo(i),
      onmouseenter: () => onPoint(i), onmouseleave: () => onPoint(null), onfocus: () => onPoint(i), onblur: () => onPoint(null),
    }, h("span", { class: "name" }, labelOf(i)), h("span", { class: "number" }, note)))));
}

/** A list with a heading of points and how many neighbours each keeps. */
export function showRanked(root, title, rows, { k, overlaps, labelOf, onGo, onPoint }) {
  const points = rows.map((i) => ({ i, note: `${Math.round(overlaps[i] * k)} of ${k}` }));
  fill(root, h("h2", {}, title), pointsOf(points, { title, labelOf, onGo, onPoint }));
}

/** The mean, the histogram, and what they are of. */
export function showOverview(root, about, colors) {
  const percent = (share) => `${(100 * share).toFixed(share < 0.01 ? 2 : 0)}%`;
  const which = about.n === about.n_common ? `All ${number(about.n)}` : isWords(about.set) ? `The ${number(about.n)} most frequent of ${number(about.n_common)}` : `A sample of ${number(about.n)} of ${number(about.n_common)}`;
  fill(root,
    h("h2", {}, `${percent(about.mean)} of neighbours are the same`),
    h("p", { class: "note" }, `${which} ${about.set} that both have: how many of each one’s ${about.k} nearest among them, by all dimensions, are the same in A and B. By chance it would be ${percent(about.chance)}.`),
    histogram(about.histogram, about.mean, colors));
}

/** What the maps are made of, and how well they fit. */
export function showHow(root, { a, b, is_turned: isTurned, residual }) {
  const fit = `What then remains between the two is ${(100 * residual).toFixed(residual < 0.1 ? 1 : 0)}% of the square of their lengths.`;
  const text = isTurned
    ? `A is laid out by t-SNE. B is turned onto A, as a whole, by orthogonal Procrustes. Then the points of either stand where the laid-out ones nearest to them lie, so that the same vector is in the same place. ${fit}`
    : `A has ${a.dim} dimensions and B ${b.dim}, so that one cannot be turned onto the other. Each is laid out by t-SNE by itself, and the map of B is brought to the size of A’s and turned onto it (Procrustes, on the plane). ${fit.replace("their lengths", "distances from the middle")} A place tells less then; the neighbours are compared as ever.`;
  fill(root, h("h2", {}, "How it is drawn"), h("p", { class: "note" }, text));
}

function number(n) {
  return n.toLocaleString("en");
}
