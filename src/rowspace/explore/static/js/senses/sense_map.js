// The occurrences of a word as dots, near others like them, each in its sense's colour and shape.

import { fill, h, svg } from "../dom.js";
import { showTip } from "../plot/frame.js";
import { marked } from "./sentences.js";

const SHAPES = ["circle", "square", "triangle", "diamond"];

/** `onChoose(row)` when a dot is clicked, `onPoint(row | null)` as the pointer goes. */
export function createSenseMap({ onChoose, onPoint }) {
  const stage = h("div", { class: "sense-stage" }), tip = h("div", { class: "tip", hidden: true, "aria-hidden": "true" });
  const element = h("div", { class: "plot sense-map" }, h("div", { class: "holder" }, stage, tip));
  let found = null, chosen = null;
  const watching = new ResizeObserver(draw);
  watching.observe(stage);
  return {
    element,
    show(result) { found = result; chosen = null; draw(); },
    choose(row) { chosen = row; mark(); },
    close() { watching.disconnect(); },
  };

  function draw() {
    const width = stage.clientWidth, height = stage.clientHeight;
    if (!found || !width) return;
    const at = ({ x, y }) => [14 + ((x + 1) / 2) * (width - 28), 14 + ((1 - y) / 2) * (height - 28)];
    const dots = found.points.map((point, row) => dot(point, row, at(point), width));
    fill(stage, svg("svg", { width, height, role: "img", "aria-label": `${found.points.length} occurrences of ${found.word} in ${found.senses.length} senses; the sentences are listed beside` }, ...dots, ...tags(at)));
    mark();
  }

  function dot(point, row, [x, y], width) {
    const drawn = svg("path", { class: "dot", d: shape(point.sense), transform: `translate(${x} ${y})`, "data-row": row,
      onclick: () => onChoose(row),
      onpointerenter: () => { onPoint(row); showTip(tip, x, y - 8, width, h("div", { class: "sentence" }, ...marked(point))); },
      onpointerleave: () => { onPoint(null); tip.hidden = true; } });
    drawn.style.fill = `var(--c${point.sense % 12})`;
    return drawn;
  }

  /** The number of each sense in the middle of its dots. */
  function tags(at) {
    if (found.senses.length < 2) return [];
    return found.senses.map((sense, number) => {
      const own = found.points.filter((point) => point.sense === number).map(at);
      const [x, y] = [0, 1].map((axis) => own.map((place) => place[axis]).sort((a, b) => a - b)[Math.floor(own.length / 2)]);
      return svg("text", { class: "sense-tag", x, y }, String(number + 1));
    });
  }

  function mark() {
    for (const drawn of stage.querySelectorAll(".dot")) drawn.classList.toggle("chosen", Number(drawn.dataset.row) === chosen);
  }
}

/** A sense's mark for lists: its shape in its colour. */
export function senseMark(number) {
  const drawn = svg("path", { d: shape(number), transform: "translate(7 7)" });
  drawn.style.fill = `var(--c${number % 12})`;
  return svg("svg", { class: "sense-mark", width: 14, height: 14, "aria-hidden": "true" }, drawn);
}

function shape(number) {
  return {
    circle: "M-5 0a5 5 0 1 0 10 0a5 5 0 1 0 -10 0Z",
    square: "M-4.5 -4.5h9v9h-9Z",
    triangle: "M0 -5.6L5.4 4.2H-5.4Z",
    diamond: "M0 -6L6 0L0 6L-6 0Z",
  }[SHAPES[number % SHAPES.length]];
}
