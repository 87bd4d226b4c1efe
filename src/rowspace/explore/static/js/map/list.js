// A list of points, each a button that goes there; arrows move along it. Where there is a similarity, a
// bar shows it.

import { h } from "../dom.js";

/** `points` are [{ row, label, similarity }]. */
export function pointList(points, onGo, { label, onHover } = {}) {
  const list = h("ol", { class: "points", "aria-label": label, onkeydown: alongList },
    ...points.map((point) => h("li", {},
      h("button", {
        type: "button", class: "point", onclick: () => onGo(point.row),
        onmouseenter: () => onHover?.(point.row), onmouseleave: () => onHover?.(null), onfocus: () => onHover?.(point.row), onblur: () => onHover?.(null),
      }, h("span", { class: "name" }, point.label), point.similarity == null ? null : bar(point.similarity)))));
  return list;
}

function bar(similarity) {
  const full = Math.max(0, Math.min(1, similarity));
  return h("span", { class: "measure" },
    h("span", { class: "track", "aria-hidden": "true" }, h("span", { class: "fill", style: { width: `${(100 * full).toFixed(1)}%` } })),
    h("span", { class: "number" }, similarity.toFixed(3)));
}

function alongList(event) {
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (!step) return;
  const buttons = [...event.currentTarget.querySelectorAll("button")];
  const next = buttons[buttons.indexOf(document.activeElement) + step];
  if (!next) return;
  event.preventDefault();
  next.focus();
}
