// What a search found, and what a lasso holds: lists beside the map, marked on it.

import { fill, h } from "../dom.js";
import { pointList } from "./list.js";

const LISTED = 200;

/** A section of the panel with a heading, a cross that empties it, and a list of points. */
export function createResults(root, { onGo, onPoint, onClose }) {
  let rows = [];
  return {
    rows: () => rows,
    show(points, { heading, actions = [], note = null }) {
      rows = points.map(({ row }) => row);
      root.hidden = false;
      fill(root,
        h("header", {}, h("h2", { tabindex: "-1" }, heading), h("button", { type: "button", class: "cross", "aria-label": `Close ${heading}`, onclick: onClose }, "×")),
        note ? h("p", { class: "note" }, note) : null,
        actions.length ? h("div", { class: "row actions" }, ...actions) : null,
        points.length ? pointList(points, onGo, { label: heading, onHover: onPoint }) : null);
    },
    clear() {
      rows = [];
      root.hidden = true;
      fill(root);
    },
  };
}

/** The list of what a lasso holds, the first 200. */
export async function showLasso(results, rows, { session, method, zoomTo, name }) {
  const listed = rows.slice(0, LISTED);
  const labels = await session.labels(listed);
  const button = (text, onclick) => h("button", { type: "button", class: "quiet", onclick }, text);
  results.show(listed.map((row) => ({ row, label: labels.get(row) })), {
    heading: `${rows.length.toLocaleString("en")} selected`,
    note: rows.length > LISTED ? `The first ${LISTED} are listed; the file has all.` : null,
    actions: [button("Zoom to these", () => zoomTo(rows)), button("Export CSV", () => session.export(rows, method, name))],
  });
}
