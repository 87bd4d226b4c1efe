// ALiBi: each head takes something from a score for every token of distance.

import { h } from "../dom.js";
import { createLines } from "../plot/lines.js";
import { short } from "../plot/numbers.js";
import { createPanel } from "./section.js";

const MOST_CURVES = 12;

export const alibi = {
  id: "alibi", path: "alibi", name: "ALiBi", title: "ALiBi: the farther, the less",
  sentences: [
    "Nothing is added to tokens and nothing is turned: from the score of a query and a key, each head takes its slope times their distance.",
    "A penalty for a distance that was never seen is only more of the same, so a model does no worse on longer texts; what is far away fades out, so it does not gain from it either.",
  ],
  paper: { text: "Press, Smith & Lewis (2022), Train short, test long, section 3", href: "https://arxiv.org/abs/2108.12409" },
  controls: [
    { name: "n_heads", label: "Heads", options: [1, 2, 4, 6, 8, 12, 16, 32, 64], start: 8 },
    { name: "length", label: "Distances up to", options: [16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192], start: 256 },
  ],
  figures: (get) => [
    { frame: createLines({ title: "What is taken from a score", data: () => curves(get(), "penalties", "added to the score") }),
      text: "A line for each head. The steep ones look at the last few tokens alone; the flattest hardly sees distance at all." },
    { frame: createLines({ title: "Attention if all scores were equal", data: () => curves(get(), "weights", "share of attention", { log: true, low: 1e-6 }) }),
      text: "The softmax of the penalties alone: the weight of a token falls by the same factor with each token of distance. A far token needs a much higher score to be heard." },
    { isWide: true, frame: createPanel("The slopes", get, table),
      text: "For a power of two n, head k has the slope 2^(−8k/n); for other n, those of the power of two below come first, and every other one of the power above after them. Nothing is learned." },
  ],
};

function curves(shown, what, label, y = {}) {
  if (!shown) return null;
  const heads = shown.answer.slopes.map((_, i) => i);
  const step = Math.ceil(heads.length / MOST_CURVES);
  return {
    x: { label: "distance in tokens", values: shown.answer.distances }, y: { label, ...y },
    series: heads.filter((head) => head % step === 0).map((head, i) => ({ name: `head ${head + 1}`, values: shown.answer[what][head], color: i, dash: Math.floor(i / 4) })),
  };
}

function table({ answer }) {
  const rows = answer.slopes.map((slope, i) => h("tr", {}, h("th", { scope: "row" }, String(i + 1)), h("td", { class: "n" }, short(slope)), h("td", { class: "n" }, "2", h("sup", {}, short(Math.log2(slope)))), h("td", { class: "n" }, answer.reach[i].toLocaleString("en"))));
  return h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "The slopes" }, h("table", { class: "slopes" },
    h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "head"), h("th", { scope: "col", class: "n" }, "slope"), h("th", { scope: "col", class: "n" }, "as a power"), h("th", { scope: "col", class: "n" }, "tokens with half the attention"))), h("tbody", {}, ...rows)));
}
