// The page of the map without what it shows: the tools above, the map, the panel at its side.

import { fill, h } from "../dom.js";
import { showProgress } from "../progress.js";
import { titleOf } from "../sets.js";

/** Puts it into `root`; `onChoice({ set | method | color | model | subject })` can be set. */
export function layoutOf(root) {
  const button = (props, text) => h("button", { type: "button", class: "quiet", ...props }, text);
  const parts = {
    onChoice: null,
    search: h("input", { type: "search", id: "map-search", placeholder: "Search", "aria-label": "Search the map", "aria-keyshortcuts": "/" }),
    selects: h("div", { class: "selects" }),
    analogyButton: button({ "aria-expanded": "false", "aria-controls": "map-analogy" }, "Analogy"),
    lassoButton: button({ "aria-pressed": "false", title: "Draw around points; or drag with Shift held" }, "Lasso"),
    saveButton: button({ title: "Save what is seen as a PNG" }, "Save picture"),
    frame: h("div", { class: "frame" }),
    legend: h("section", { class: "legend", "aria-label": "Colours", hidden: true }),
    measured: h("p", { class: "measured", hidden: true }),
    tip: h("div", { class: "tip", hidden: true, "aria-hidden": "true" }),
    zoomIn: button({ "aria-label": "Zoom in", title: "Zoom in (+)" }, "+"),
    zoomOut: button({ "aria-label": "Zoom out", title: "Zoom out (−)" }, "−"),
    zoomAll: button({ "aria-label": "Show all", title: "Show all (0)" }, "⤢"),
    analogy: h("section", { id: "map-analogy", "aria-label": "Analogy", hidden: true }),
    pins: h("section", { "aria-label": "Pinned points", class: "pins", hidden: true }),
    found: h("section", { "aria-label": "Search results", hidden: true }),
    lasso: h("section", { "aria-label": "Lasso", hidden: true }),
    live: h("p", { class: "visually-hidden", role: "status" }),
    wrong: h("p", { class: "wrong", role: "alert", hidden: true }),
    progress: h("div", { class: "progress", role: "status", hidden: true }),
  };
  parts.searchField = h("div", { class: "search", role: "search" }, parts.search, h("kbd", { "aria-hidden": "true" }, "/"));
  parts.zoom = h("div", { class: "zoom", role: "group", "aria-label": "Zoom" }, parts.zoomIn, parts.zoomOut, parts.zoomAll);
  parts.side = h("aside", { class: "side", "aria-label": "Points", hidden: true }, parts.analogy, parts.pins, parts.found, parts.lasso);
  fill(root, h("div", { class: "map" },
    h("h1", { class: "visually-hidden" }, "Map"),
    h("div", { class: "tools" }, parts.searchField, parts.selects, h("div", { class: "acts" }, parts.analogyButton, parts.lassoButton, parts.saveButton)),
    parts.wrong,
    h("div", { class: "body" },
      h("div", { class: "stage" }, parts.frame, parts.measured, parts.legend, parts.zoom, parts.tip, parts.progress),
      parts.side),
    parts.live));
  return Object.assign(parts, {
    choices: (...of) => fill(parts.selects, ...choices(parts, ...of)),
    status: (text, share) => showProgress(parts.progress, text, share),
    fail: (text) => showError(parts.wrong, text),
  });
}

/** The selects that have more than one thing to choose. */
function choices(parts, subjects, wanted, set, methods) {
  const sets = subjects[wanted.subject].sets;
  const models = subjects[wanted.subject].models ?? [];
  const select = (label, name, value, options) => options.length < 2 ? null
    : h("label", {}, h("span", {}, label), h("select", { name, onchange: (event) => parts.onChoice({ [name]: event.target.value }) },
      ...options.map(([id, text]) => h("option", { value: id, selected: String(id) === String(value) }, text))));
  return [
    select("Of", "subject", wanted.subject, subjects.map(({ name }, i) => [i, name]).filter(([i]) => subjects[i].sets.length)),
    select("Model", "model", wanted.model || models[0], models.map((model) => [model, model])),
    select("Show", "set", set.id, sets.map((one) => [one.id, titleOf(one)])),
    select("Layout", "method", wanted.method, methods.map(({ method, label }) => [method, label])),
    select("Colour", "color", wanted.color, [["cluster", "cluster"], ...Object.keys(set.fields).map((name) => [name, name.replaceAll("_", " ")]), ["none", "one colour"]]),
  ];
}

function showError(root, text) {
  root.hidden = text == null;
  if (text == null) return;
  fill(root, h("span", {}, text), h("button", { type: "button", class: "cross", "aria-label": "Close this message", onclick: () => { root.hidden = true; } }, "×"));
}
