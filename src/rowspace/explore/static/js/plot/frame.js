// What every plot has: a caption, a place to draw that follows the width, a tip, and its numbers as a
// table for those who cannot see it.

import { fill, h } from "../dom.js";
import { onTheme } from "../theme.js";

const MOST_ROWS = 200; // of a table; more are thinned out

/** A figure; `draw(width)` is called when its width, the colours or `redraw` say so. */
export function createFrame({ title, height, draw, table, className = "" }) {
  const stage = h("div", { class: "stage" });
  const tip = h("div", { class: "tip", hidden: true, "aria-hidden": "true" });
  const legend = h("ul", { class: "legend" });
  const inside = h("div", { class: "inside" });
  const numbers = h("details", { class: "numbers" }, h("summary", {}, "The numbers", h("span", { class: "visually-hidden" }, ` of ${title}`)), inside);
  const element = h("figure", { class: `plot ${className}` }, h("figcaption", {}, title), legend, h("div", { class: "holder" }, stage, tip), numbers);
  stage.style.height = `${height}px`;
  let width = 0;
  const redraw = () => { if (width) draw(width); if (numbers.open) fillTable(); };
  const fillTable = () => fill(inside, toTable(table(), title));
  numbers.addEventListener("toggle", () => numbers.open && fillTable());
  const watching = new ResizeObserver(([entry]) => {
    const now = Math.round(entry.contentRect.width);
    if (now && now !== width) { width = now; redraw(); }
  });
  watching.observe(stage);
  const endTheme = onTheme(redraw);
  return {
    element, stage, tip, legend, redraw,
    setHeight(pixels) { stage.style.height = `${pixels}px`; },
    close() { watching.disconnect(); endTheme(); },
  };
}

/** Show a tip beside a place of the stage. */
export function showTip(tip, x, y, width, ...children) {
  fill(tip, ...children);
  tip.hidden = false;
  const own = tip.offsetWidth;
  const left = x + 14 + own > width ? Math.max(0, x - own - 14) : x + 14;
  tip.style.transform = `translate(${left}px, ${Math.max(0, y)}px)`;
}

function toTable({ head, rows }, title) {
  const step = Math.ceil(rows.length / MOST_ROWS);
  const shown = rows.filter((_, i) => i % step === 0);
  const note = step > 1 ? h("p", { class: "note" }, `Every ${step}th row of ${rows.length.toLocaleString("en")}.`) : null;
  return [note, h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": `Numbers of ${title}` },
    h("table", {}, h("thead", {}, h("tr", {}, ...head.map((cell) => h("th", { scope: "col" }, cell)))),
      h("tbody", {}, ...shown.map((row) => h("tr", {}, ...row.map((cell) => h("td", {}, String(cell))))))))];
}
