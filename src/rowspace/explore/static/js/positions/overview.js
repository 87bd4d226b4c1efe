// Why positions have to be told at all, and where each method does it.

import { h } from "../dom.js";

const METHODS = [
  ["learned", "Learned", "a vector added to each token, a row of a table", "there is no row: refused"],
  ["sinusoidal", "Sinusoidal", "a vector added to each token, of sines and cosines", "the formula goes on, the model does not"],
  ["rope", "RoPE", "queries and keys are turned by angles that grow with the position", "angles that training never showed"],
  ["alibi", "ALiBi", "a number taken from each score, growing with the distance", "more of the same"],
  ["t5", "T5", "a learned number added to each score, by the distance", "all far distances are one bucket"],
  ["none", "None", "a causal model sees no later token, and that alone", "half works"],
];
const SHOWN = ["sinusoidal", "rope", "alibi", "t5"];

export const overview = { id: "overview", name: "Overview", create };

function create() {
  const rows = METHODS.map(([id, name, where, beyond]) => h("tr", {}, h("th", { scope: "row" }, SHOWN.includes(id) ? h("a", { href: `#/positions?method=${id}` }, name) : name), h("td", {}, where), h("td", {}, beyond)));
  const element = h("section", { "aria-label": "Overview" }, h("h2", {}, "Attention is blind to order"),
    h("p", {}, "Attention compares every token with every other and adds up what it finds. Shuffle the tokens, and the same outputs come out, shuffled alike: to attention by itself, a text is a bag."),
    h("p", {}, "So a model has to be told which token stands where. There are three places to tell it: in the vectors that go in, in the queries and keys, or in the scores."),
    h("div", { class: "card" }, h("table", { class: "methods" }, h("thead", {}, h("tr", {}, ...["method", "where it works", "beyond the length of training"].map((text) => h("th", { scope: "col" }, text)))), h("tbody", {}, ...rows))),
    h("p", { class: "note" }, h("a", { href: "https://arxiv.org/abs/1706.03762", rel: "noreferrer" }, "Vaswani et al. (2017), section 3.5"), " has the question and the first answer; ", h("a", { href: "#/positions?method=extrapolation" }, "extrapolation"), " is what decided between the later ones."));
  return { element, close() {} };
}
