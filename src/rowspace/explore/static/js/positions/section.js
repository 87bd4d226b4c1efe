// One method of position: what it is, its settings, and plots of what the server works out.

import { debounced, fill, h } from "../dom.js";
import { createControls } from "./controls.js";

/**
 * A method of `spec`: {id, path, title, sentences, paper, controls, figures(get)}; `get()` gives
 * {answer, values}, or null before the first answer. A figure is {frame, text} or an {element, redraw}.
 */
export function createSection(spec, app) {
  const said = h("p", { class: "note", role: "status" }, "Working it out…");
  const controls = createControls(spec.controls ?? [], app.params(), debounced(changed, 90));
  let answer = null, request = null;
  const figures = spec.figures(() => answer && { answer, values: controls.values });
  const element = h("section", { "aria-label": spec.title }, h("h2", {}, spec.title),
    ...spec.sentences.map((sentence) => h("p", {}, sentence)),
    spec.paper ? h("p", { class: "note" }, h("a", { href: spec.paper.href, rel: "noreferrer" }, spec.paper.text)) : null,
    spec.controls?.length ? controls.element : null, said,
    h("div", { class: "figures" }, ...figures.map(({ frame, text, isWide }) => h("div", { class: `card ${isWide ? "wide" : ""}` }, frame.element, text ? h("p", { class: "teach" }, text) : null))));
  ask();
  return { element, close() { request?.abort(); figures.forEach(({ frame }) => frame.close?.()); } };

  function changed() {
    const changes = Object.fromEntries(spec.controls.map(({ name, start }) => [name, controls.values[name] === String(start) ? null : controls.values[name]]));
    app.set(changes);
    ask();
  }

  async function ask() {
    request?.abort();
    request = new AbortController();
    try {
      answer = await app.api.json(`positions/${spec.path}`, controls.values, { signal: request.signal });
    } catch (error) {
      if (error.name !== "AbortError") { said.className = "failed-line"; fill(said, error.message); }
      return;
    }
    said.className = "failed-line";
    fill(said);
    figures.forEach(({ frame }) => frame.redraw());
  }
}

/** A figure that is no plot: its content is made anew by `draw(shown)`. */
export function createPanel(title, get, draw) {
  const inside = h("div", { class: "panel-inside" });
  const element = h("figure", { class: "plot" }, h("figcaption", {}, title), inside);
  return { element, redraw() { const shown = get(); if (shown) fill(inside, draw(shown)); }, close() {} };
}
