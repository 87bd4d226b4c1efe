// RoPE: queries and keys are turned, so that scores see distances; and its scalings for longer texts.

import { h } from "../dom.js";
import { createLines } from "../plot/lines.js";
import { createDials } from "./dials.js";
import { createPanel } from "./section.js";

const NAMES = { none: "no scaling", linear: "linear (position interpolation)", ntk: "NTK-aware", yarn: "YaRN", llama3: "Llama 3" };
const SHOWN_VALUES = 16;

export const rope = {
  id: "rope", path: "rope", name: "RoPE", title: "RoPE: queries and keys are turned",
  sentences: [
    "The values of a query or key are taken in pairs, and each pair is turned by an angle that grows with the position, fast in the first pair and slowly in the last. The score of two turned vectors depends on the difference of their angles alone: on their distance.",
    "Beyond the length of training the slow pairs come to angles that no training step has seen, so plain RoPE does not extrapolate; scalings slow the hands down.",
  ],
  paper: { text: "Su et al. (2021), RoFormer, section 3.4", href: "https://arxiv.org/abs/2104.09864" },
  controls: [
    { name: "head_dim", label: "Values a head", options: [4, 8, 16, 32, 64, 96, 128, 256], start: 64 },
    { name: "base", label: "Base", options: [100, 1000, 10000, 100000, 500000, 1000000], start: 10000 },
    { name: "train_length", label: "Tokens in training", options: [64, 128, 512, 1024, 2048, 4096, 8192], start: 128 },
    { name: "factor", label: "Longer by", options: [1, 2, 4, 8, 16, 32], start: 4 },
    { name: "span", label: "Distances up to", options: [32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384, 32768, 65536], start: 512 },
    { name: "vector", label: "Query and key", choices: { ones: "the same, all ones", random: "the same, random" }, start: "ones" },
  ],
  figures: (get) => [
    { isWide: true, frame: createDials(get), text: "Move the position: the first hand turns by one radian a token, the last hardly at all. Two tokens see each other through the angle between their hands, wherever in the text they stand." },
    { frame: createLines({ title: "Score by distance", data: () => layouts(get()) }),
      text: "The score of a vector with itself, so many tokens apart. As the hands come out of step it falls, and never quite settles (figure 2 of the paper). Both layouts do the same to pairs; which values make a pair differs, so weights trained with one give nonsense with the other." },
    { frame: createPanel("Which values make a pair", get, pairs),
      text: "Values of one colour turn together. Hugging Face's LLaMA, Mistral and Qwen pair value i with the one half a head further; Meta's LLaMA and GPT-J pair neighbours." },
    { frame: createLines({ title: "Wavelength of each pair, by scaling", data: () => wavelengths(get()) }),
      text: "Pairs above the dashed line do not finish a turn within the training length: beyond it, their angles are new to the model. Linear scaling (Chen et al. 2023) slows all pairs alike; NTK (bloc97 2023) the slow ones more; YaRN (Peng et al. 2023) and Llama 3 leave the fast ones alone." },
    { frame: createLines({ title: "Score by distance, by scaling", data: () => scores(get()) }),
      text: "To the right of the line is farther than training reached. Scalings stretch the curve so that far distances look like ones that were seen; YaRN's also lies higher, as it sharpens all scores." },
  ],
};

function layouts(shown) {
  if (!shown) return null;
  const { layouts: of, distances } = shown.answer;
  return {
    x: { label: "distance in tokens", values: distances }, y: { label: "score, 1 unturned" },
    series: [{ name: "half", values: of.half, color: 0 }, { name: "interleaved", values: of.interleaved, color: 1, dash: 1 }],
  };
}

function wavelengths(shown) {
  if (!shown) return null;
  const { wavelengths: of } = shown.answer;
  const n = of.none.length;
  return {
    x: { label: "pair", values: of.none.map((_, i) => i) }, y: { label: "tokens a turn", log: true },
    series: [...Object.keys(NAMES).map((name, i) => ({ name: NAMES[name], values: of[name], color: i, dash: i })),
      { name: "tokens in training", values: Array(n).fill(Number(shown.values.train_length)), color: 11, dash: 4 }],
  };
}

function scores(shown) {
  if (!shown) return null;
  const { scores: of, distances } = shown.answer;
  return {
    x: { label: "distance in tokens", values: distances }, y: { label: "score, 1 unturned" },
    marks: [{ x: Number(shown.values.train_length), text: "training" }],
    series: Object.keys(NAMES).map((name, i) => ({ name: NAMES[name], values: of[name], color: i, dash: i })),
  };
}

function pairs({ answer }) {
  return h("div", {}, ...Object.entries(answer.pairs).map(([layout, found]) => h("div", { class: "pairing" }, h("h3", {}, layout), h("div", { class: "values" }, ...cells(found)))));
}

/** The values of a small head, each in the colour of its pair; of a larger one the first of both halves. */
function cells(found) {
  const color = new Map(found.flatMap(([a, b], pair) => [[a, pair], [b, pair]]));
  const n = color.size, half = SHOWN_VALUES / 2;
  const shown = n <= SHOWN_VALUES ? [...Array(n).keys()] : [...Array(half).keys(), null, ...Array.from({ length: half }, (_, i) => n / 2 + i)];
  return shown.map((value) => {
    if (value == null) return h("span", { class: "gap", "aria-hidden": "true" }, "…");
    const cell = h("span", { class: "value", title: `value ${value}: pair ${color.get(value)}` }, String(value));
    cell.style.setProperty("--own", `var(--c${color.get(value) % 12})`);
    return cell;
  });
}
