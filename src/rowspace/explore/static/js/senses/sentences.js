// Senses as a list: how many, what is near, typical sentences with the word marked, then all of them.

import { fill, h, setCurrent } from "../dom.js";
import { senseMark } from "./sense_map.js";

/** A sentence as nodes, its word marked. */
export function marked(point) {
  return [point.before, h("mark", {}, point.word), point.after];
}

/** `onChoose(row)` when a sentence is chosen. */
export function createSentences({ onChoose }) {
  const element = h("div", { class: "sense-list" });
  let found = null;
  return {
    element,
    show(result) { found = result; fill(element, ...found.senses.map(card)); },
    choose(row, { scroll = false } = {}) {
      for (const button of element.querySelectorAll("[data-row]")) setCurrent(button, Number(button.dataset.row) === row && "true");
      const own = element.querySelector(`[data-row="${row}"]`);
      if (!scroll || !own) return;
      own.closest("details")?.setAttribute("open", "");
      own.scrollIntoView({ block: "nearest" });
    },
  };

  function card(sense, number) {
    const rows = found.points.map((_, row) => row).filter((row) => found.points[row].sense === number);
    const rest = rows.filter((row) => !sense.typical.includes(row));
    return h("section", { class: "card sense", "aria-label": sense.name },
      h("h3", {}, senseMark(number), sense.name, h("span", { class: "soft" }, `${sense.size} of ${found.n_read}`)),
      words("Nearest in their sentences", sense.near.map((one) => one.word)), words("More often around it", sense.around),
      h("ul", { class: "quotes" }, ...sense.typical.map(quote)),
      rest.length ? h("details", {}, h("summary", {}, `${rest.length} more`), h("ul", { class: "quotes" }, ...rest.map(quote))) : null);
  }

  function quote(row) {
    const point = found.points[row];
    return h("li", {}, h("button", { type: "button", class: "quote", dir: "auto", "data-row": row, title: point.source || null, onclick: () => onChoose(row) }, ...marked(point)));
  }
}

function words(name, list) {
  return list.length ? h("p", { class: "words" }, h("span", { class: "soft" }, `${name}: `), list.join(", ")) : null;
}
