// What became of models that were trained at one length and read longer texts.

import { h } from "../dom.js";
import { createLines } from "../plot/lines.js";
import { createPanel } from "./section.js";

export const extrapolation = {
  id: "extrapolation", path: "extrapolation", name: "Extrapolation", title: "Extrapolation: trained short, read long",
  sentences: [
    "The same small model is trained with each method, on the same texts in the same order, and then reads held-out text in longer and longer windows.",
    "Look at the level as well as the slope: a method that uses little context loses little in a long window.",
  ],
  paper: { text: "Press, Smith & Lewis (2022), figure 1", href: "https://arxiv.org/abs/2108.12409" },
  figures: (get) => [
    { isWide: true, frame: createPanel("The experiment", get, experiment) },
    { isWide: true, frame: hiding(createLines({ title: "Perplexity by window", height: 320, data: () => windows(get()) }), get),
      text: "Lower is better. A curve that rises to the right of the line gets worse with text that is longer than it was trained for." },
  ],
};

/** A plot that is there only when there is something to plot. */
function hiding(frame, get) {
  const redraw = frame.redraw;
  frame.redraw = () => {
    frame.element.parentElement.hidden = !get()?.answer.found;
    redraw();
  };
  return frame;
}

function experiment({ answer: { found, command } }) {
  if (!found) {
    return [h("p", {}, "No experiment was given. This makes one, of a text of yours, in some minutes to an hour:"), h("pre", { tabindex: "0" }, h("code", {}, command)),
      h("p", {}, "Then start the explorer with ", h("code", {}, "--extrapolation positions"), "; or let the result lie in the space, as ", h("code", {}, "SPACE/extrapolation"), ".")];
  }
  const head = ["method", ...found.lengths.map((n) => n.toLocaleString("en")), "ratio", "against sliding windows"];
  const rows = found.methods.map((one) => h("tr", {}, h("th", { scope: "row" }, one.name), ...found.lengths.map((n) => cell(one.perplexity[n], one.refused_beyond)), cell(one.ratio, null, 2), cell(one.against_sliding, null, 2)));
  return [h("p", {}, `Trained on ${found.train_length.toLocaleString("en")} tokens at once, ${found.seeds} ${found.seeds === 1 ? "seed" : "seeds"}; perplexity in windows of so many tokens:`),
    h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Perplexities" }, h("table", {}, h("thead", {}, h("tr", {}, ...head.map((text, i) => h("th", { scope: "col", class: i ? "n" : "" }, text)))), h("tbody", {}, ...rows)))];
}

function cell(spread, refused, digits = 1) {
  if (!spread) return h("td", { class: "n" }, refused == null ? "–" : "refused");
  return h("td", { class: "n" }, spread.mean.toFixed(digits), spread.std ? h("small", {}, ` ± ${spread.std.toFixed(digits)}`) : null);
}

function windows(shown) {
  const found = shown?.answer.found;
  if (!found) return null;
  return {
    x: { label: "tokens in a window", values: found.lengths, log: true, ticks: found.lengths }, y: { label: "perplexity", log: true },
    marks: [{ x: found.train_length, text: "training" }],
    series: found.methods.map((one, i) => ({ name: one.name, color: i, dash: Math.floor(i / 6), dots: true, values: found.lengths.map((n) => one.perplexity[n]?.mean ?? null) })),
  };
}
