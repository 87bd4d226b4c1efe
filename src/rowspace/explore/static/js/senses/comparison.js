// A word in two sentences: how alike its vectors are, at each layer.

import { fill, h } from "../dom.js";
import { createLines } from "../plot/lines.js";

const A = "He sat down on the bank of the river.", B = "She put all her money in the bank.";

/** The form and its plot; `ask(body)` gets the answer. */
export function createComparison({ ask, params, onChange }) {
  let answer = null, shown = {};
  const word = h("input", { type: "text", value: params.cword ?? "bank", required: true, maxlength: "100", name: "cword" });
  const a = h("input", { type: "text", value: params.a ?? A, required: true, maxlength: "1000", name: "a" });
  const b = h("input", { type: "text", value: params.b ?? B, required: true, maxlength: "1000", name: "b" });
  const said = h("p", { class: "said", role: "status" });
  const plot = createLines({ title: "Cosine of its two vectors, layer by layer", height: 220, data: () => curve(answer) });
  plot.element.hidden = true;
  const form = h("form", { class: "comparison", onsubmit: (event) => { event.preventDefault(); compare(); } },
    h("label", {}, "Word", word), h("label", { class: "wide" }, "One sentence", a), h("label", { class: "wide" }, "Another", b), h("button", {}, "Compare"));
  const element = h("section", { class: "card compare-two", "aria-label": "Two sentences" }, h("h2", {}, "One word, two sentences"),
    h("p", {}, "In word2vec or GloVe, a word has one vector, and the cosine here would be 1. A transformer starts with that one row and lets each layer mix in what stands around it."),
    form, said, plot.element);
  update(params);
  return { element, update, close: () => plot.close() };

  /** What an address says, if it says something. */
  function update(now) {
    if (!now.cword || !now.a || !now.b || ["cword", "a", "b"].every((name) => now[name] === shown[name])) return;
    word.value = now.cword;
    a.value = now.a;
    b.value = now.b;
    compare();
  }

  async function compare() {
    const mine = (shown = { cword: word.value, a: a.value, b: b.value });
    onChange(shown);
    said.className = "said";
    fill(said, "Reading both…");
    let found;
    try {
      found = await ask({ word: mine.cword, a: mine.a, b: mine.b });
    } catch (error) {
      said.className = "said failed-line";
      return fill(said, error.message);
    }
    if (shown !== mine) return; // another was asked meanwhile
    answer = found;
    const last = answer.cosines.at(-1);
    fill(said, "Cosine after the last layer: ", h("b", { class: "big" }, last.toFixed(3)), answer.others.at(-1) == null ? "." : `; of different words in the two sentences, on average ${answer.others.at(-1).toFixed(3)}.`);
    plot.element.hidden = false;
    plot.redraw();
  }
}

function curve(answer) {
  return answer && {
    x: { label: "layer (0: the embeddings)", values: answer.cosines.map((_, i) => i), ticks: answer.cosines.map((_, i) => i) },
    y: { label: "cosine", low: Math.min(0, ...answer.cosines, ...answer.others), high: 1.02 },
    series: [{ name: `“${answer.word}” in both`, values: answer.cosines, color: 0, dots: true }, { name: "different words", values: answer.others, color: 1, dash: 1, dots: true }],
  };
}
