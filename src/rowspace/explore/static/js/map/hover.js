// What is told of a point under the mouse: its name and its nearest five in the original space, with
// lines to them.

import { debounced, fill, h } from "../dom.js";

const NEAREST = 5;

/** `onLines(rows)` of the neighbours of the point that is hovered, from it; `onLines(null)` ends it. */
export function createHover(root, scatter, session, onLines) {
  let current = null;

  const look = debounced(async (row) => {
    if (row !== current) return;
    try {
      const [labels, nearest] = await Promise.all([session().labels([row]), session().neighbors(row, NEAREST)]);
      if (row !== current) return;
      show(row, labels.get(row), nearest);
      onLines(row, nearest);
    } catch (error) {
      console.info(error.message); // a tooltip is no place for it; what is clicked tells
    }
  }, 90);

  function show(row, label, nearest) {
    fill(root, h("strong", {}, label),
      h("ol", {}, ...nearest.map((one) => h("li", {}, h("span", {}, one.label), h("span", { class: "number" }, one.similarity.toFixed(2))))));
    root.hidden = false;
    const at = scatter.screen(row), box = root.getBoundingClientRect(), area = scatter.container.getBoundingClientRect();
    if (!at) return;
    const right = at[0] + 14 + box.width < area.width;
    root.style.left = `${Math.max(6, right ? at[0] + 14 : at[0] - 14 - box.width)}px`;
    root.style.top = `${Math.max(6, Math.min(at[1] - 12, area.height - box.height - 6))}px`;
  }

  return {
    over(row) {
      if (row === current) return;
      current = row;
      if (row != null) return look(row);
      root.hidden = true;
      onLines(null);
    },
  };
}
