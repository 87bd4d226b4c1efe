// One row of the table: its numbers as bars and as a strip of colours, its length, the nearest rows.

import { fill, h, svg } from "../dom.js";
import { drawStrip, limitOf } from "../plot/heat.js";
import { short } from "../plot/numbers.js";

const N_BARS = 48;

/** `onRow(neighbor)` when a neighbour is chosen. */
export function createRowPanel({ onRow }) {
  const element = h("section", { class: "card row-panel", "aria-live": "polite", "aria-label": "The row that is picked" });
  let shown = null, strip = null;
  return {
    element,
    show(row) { shown = row; draw(); },
    tell(message) { shown = strip = null; fill(element, h("p", { class: "note" }, message)); },
    repaint() { if (strip) drawStrip(strip, shown.values, limitOf(shown.values)); },
  };

  function draw() {
    fill(element, head(shown), shown.values ? numbers(shown) : h("p", { class: "note" }, "The model's file has no table of tokens that is known here, so there are no numbers to show."),
      shown.ngrams.length ? ngrams(shown) : null, shown.neighbors.length ? near(shown) : null);
  }

  function numbers(row) {
    strip = h("canvas", { class: "strip", role: "img", "aria-label": `All ${row.values.length} numbers as colours` });
    drawStrip(strip, row.values, limitOf(row.values));
    const first = row.values.slice(0, 6).map((value) => value.toFixed(3)).join(", ").replaceAll("-", "−");
    return [h("p", { class: "numbers-line" }, h("code", {}, `[${first}, …]`), ` ${row.values.length} numbers, length ${short(row.norm)}`),
      bars(row.values.slice(0, N_BARS)), strip,
      h("p", { class: "note" }, `Above: the first ${Math.min(N_BARS, row.values.length)}. Below: all ${row.values.length}; blue is negative, orange positive.`)];
  }

  function near(row) {
    const all = row.n_compared < row.n_rows ? `the first ${row.n_compared.toLocaleString("en")} rows` : `all ${row.n_rows.toLocaleString("en")} rows`;
    const items = row.neighbors.map((one) => {
      const bar = h("span", { class: "fill", "aria-hidden": "true" });
      bar.style.width = `${Math.max(0, one.cosine) * 100}%`;
      return h("li", {}, h("button", { type: "button", class: "quiet", onclick: () => onRow(one) }, bar, h("span", { dir: "auto" }, one.text)), h("span", { class: "cosine" }, one.cosine.toFixed(3)));
    });
    return h("div", {}, h("h3", {}, "Nearest rows"), h("p", { class: "note" }, `By the cosine, of ${all}.`), h("ol", { class: "near" }, ...items));
  }
}

function head(row) {
  const place = row.row == null ? "no row of its own" : `row ${row.row.toLocaleString("en")} of ${row.n_rows.toLocaleString("en")}`;
  const facts = [place, row.key !== row.text ? ["in the vocabulary ", h("code", {}, row.key)] : null, row.count != null ? `${row.count.toLocaleString("en")} times in the training text` : null];
  return [h("h2", { dir: "auto" }, row.text), h("p", { class: "facts" }, ...facts.filter(Boolean).flatMap((fact, i) => (i ? [" · ", fact] : [fact])).flat())];
}

function ngrams(row) {
  const items = row.ngrams.map((one) => h("li", {}, h("code", {}, one.text), h("span", {}, one.row < 0 ? "zeros" : one.row.toLocaleString("en"))));
  return h("details", { open: row.row == null }, h("summary", {}, `${row.ngrams.length} n-grams and their rows`),
    h("p", { class: "note" }, "The vector is the mean of these rows", row.row == null ? "." : " and the word's own."), h("ul", { class: "ngrams" }, ...items));
}

function bars(values) {
  const limit = Math.max(...values.map(Math.abs)) || 1;
  const wide = 6, height = 56;
  return svg("svg", { class: "bars", viewBox: `0 0 ${values.length * wide} ${height}`, preserveAspectRatio: "none", role: "img", "aria-label": `The first ${values.length} numbers as bars` },
    ...values.map((value, i) => {
      const size = (Math.abs(value) / limit) * (height / 2 - 1);
      return svg("rect", { class: value < 0 ? "minus" : "plus", x: i * wide + 0.7, width: wide - 1.4, y: value < 0 ? height / 2 : height / 2 - size, height: size });
    }), svg("line", { class: "base", x1: 0, x2: values.length * wide, y1: height / 2, y2: height / 2 }));
}
