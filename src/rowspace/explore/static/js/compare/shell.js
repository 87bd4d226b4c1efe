// The page of the comparison without what it shows.

import { fill, h } from "../dom.js";

/** Puts it into `root`; `onChoice({ a | b | set })` can be set. */
export function layoutOf(root) {
  const stage = (side) => ({
    title: h("h2", { class: "side-title" }),
    frame: h("div", { class: "frame" }),
    name: side,
  });
  const parts = {
    onChoice: null,
    search: h("input", { type: "search", placeholder: "Search", "aria-label": "Search the points" }),
    selects: h("div", { class: "selects" }),
    a: stage("a"), b: stage("b"),
    legend: h("p", { class: "scale" }),
    point: h("section", { "aria-label": "Neighbours" }),
    overview: h("section", { "aria-label": "How alike they are" }),
    changed: h("section", { "aria-label": "Changed most" }),
    kept: h("section", { "aria-label": "Changed least" }),
    how: h("section", { "aria-label": "How it is drawn" }),
    wrong: h("p", { class: "wrong", role: "alert", hidden: true }),
    progress: h("div", { class: "progress", role: "status", hidden: true }),
    live: h("p", { class: "visually-hidden", role: "status" }),
  };
  parts.searchField = h("div", { class: "search", role: "search" }, parts.search);
  const drawn = ({ title, frame }) => h("div", { class: "half" }, title, h("div", { class: "stage" }, frame));
  fill(root, h("div", { class: "compare map" },
    h("h1", { class: "visually-hidden" }, "Compare"),
    h("div", { class: "tools" }, parts.searchField, parts.selects, parts.legend),
    parts.wrong,
    h("div", { class: "body" },
      h("div", { class: "halves" }, drawn(parts.a), drawn(parts.b), parts.progress),
      h("aside", { class: "side", "aria-label": "Comparison" }, parts.point, parts.overview, parts.changed, parts.kept, parts.how)),
    parts.live));
  return parts;
}

/** The selects that have more than one thing to choose. */
export function drawChoices(parts, { sides, a, b, sets, set }) {
  const select = (label, name, value, options) => h("label", {}, h("span", {}, label),
    h("select", { name, onchange: (event) => parts.onChoice({ [name]: event.target.value }) },
      ...options.map((option) => h("option", { value: option, selected: option === value }, option))));
  fill(parts.selects,
    sides.length > 2 ? select("A", "a", a, sides.filter((side) => side !== b)) : null,
    sides.length > 2 ? select("B", "b", b, sides.filter((side) => side !== a)) : null,
    sets.length > 1 ? select("Of", "set", set, sets) : null);
}
