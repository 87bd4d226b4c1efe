// The nearest words of one, at a step beside those at the end of the training.

import { fill, h } from "../dom.js";

/**
 * A table in `root`; `ask(word, step)` gives { then, finally }, `onGo(row)` is called for a word.
 * Without a title of the step, only the end is shown. */
export function createNeighborTable(root, { ask, onGo, onError }) {
  const known = new Map();
  let wanted = null;

  async function show(word, step, title) {
    const key = `${step} ${word}`;
    wanted = key;
    try {
      if (!known.has(key)) known.set(key, ask(word, step));
      const answer = await known.get(key);
      if (wanted === key) draw(answer, title);
    } catch (error) {
      known.delete(key);
      if (wanted === key) onError(error);
    }
  }

  function draw({ word, then, finally: end }, title) {
    if (title == null) return fill(root, h("h2", {}, `Nearest to “${word}”`), table(["At the end"], end.map((point) => [cell(point, new Set())])));
    const last = new Set(end.map(({ row }) => row)), now = new Set(then.map(({ row }) => row));
    const kept = then.filter(({ row }) => last.has(row)).length;
    fill(root,
      h("h2", {}, `Nearest to “${word}”`),
      h("p", { class: "note" }, `${kept} of the ${end.length} it ends with are here already (✓).`),
      table([title, "At the end"], end.map((_, i) => [cell(then[i], last), cell(end[i], now)])));
  }

  function table(heads, rows) {
    return h("table", {}, h("thead", {}, h("tr", {}, ...heads.map((head) => h("th", { scope: "col" }, head)))),
      h("tbody", {}, ...rows.map((cells) => h("tr", {}, ...cells))));
  }

  function cell(point, other) {
    if (!point) return h("td", {});
    const isBoth = other.has(point.row);
    return h("td", {}, h("button", { type: "button", class: "word", onclick: () => onGo(point.row) },
      h("span", { class: isBoth ? "both" : "" }, point.label),
      isBoth ? h("span", { class: "tick" }, h("span", { class: "visually-hidden" }, "in both"), h("span", { "aria-hidden": "true" }, "✓")) : null,
      h("span", { class: "number" }, point.similarity.toFixed(2))));
  }

  return {
    show,
    clear() { wanted = null; fill(root, h("p", { class: "note" }, "Choose a word, by the box or on the map, to see its way and its neighbours.")); },
  };
}
