// Sinusoidal positions: waves from short to long.

import { createHeat } from "../plot/heat.js";
import { createLines } from "../plot/lines.js";

const WAVES = 4;

export const sinusoidal = {
  id: "sinusoidal", path: "sinusoidal", name: "Sinusoidal", title: "Sinusoidal: a vector of waves is added to each token",
  sentences: [
    "Each pair of numbers is a sine and a cosine of the position, the first pair fast, the last one slow: like the digits of a number, but smooth.",
    "Nothing is learned, and the formula goes on for ever; the layers above it, which have seen only the positions of training, do not.",
  ],
  paper: { text: "Vaswani et al. (2017), Attention is all you need, section 3.5", href: "https://arxiv.org/abs/1706.03762" },
  controls: [
    { name: "dim", label: "Dimension", options: [4, 8, 16, 32, 64, 96, 128, 192, 256], start: 64 },
    { name: "length", label: "Positions", options: [16, 32, 64, 96, 128, 192, 256, 384, 512], start: 128 },
    { name: "base", label: "Base", options: [10, 100, 1000, 10000, 100000], start: 10000 },
    { name: "layout", label: "Layout", choices: { interleaved: "the paper's: sine, cosine, sine, …", concatenated: "fairseq's: all sines, then all cosines" }, start: "interleaved" },
  ],
  figures: (get) => [
    { isWide: true, frame: createHeat({ title: "Every position's vector", height: 320, data: () => heat(get()) }),
      text: "A row is what is added to the token at that position. To the left the waves are short and tell neighbours apart; to the right they are so long that they hardly change: they tell the beginning from the end." },
    { isWide: true, frame: createLines({ title: "Some of the waves", data: () => waves(get()) }),
      text: "The same numbers as curves over the position. No two positions have the same values in all of them, up to the longest wave." },
    { frame: createLines({ title: "How alike two positions are", data: () => likeness(get()) }),
      text: "The cosine of two positions' vectors depends on their distance alone, and falls with it, though not steadily. So attention can learn to look a fixed number of tokens back." },
    { frame: createLines({ title: "Wavelength of each pair", data: () => lengths(get()) }),
      text: "In tokens, on a logarithmic scale: each pair is slower than the one before by the same factor, from 2π to about 2π times the base." },
  ],
};

function heat(shown) {
  return shown && { values: shown.answer.values, limit: 1, rows: { label: "position" }, columns: { label: "dimension" } };
}

function waves(shown) {
  if (!shown) return null;
  const { values, wavelengths } = shown.answer;
  const isPaper = shown.values.layout === "interleaved";
  const n = wavelengths.length;
  const pairs = [...new Set(Array.from({ length: WAVES }, (_, i) => Math.round((i * (n - 1)) / 6)))];
  return {
    x: { label: "position", values: values.map((_, i) => i) }, y: { label: "value", low: -1.05, high: 1.05 },
    series: pairs.map((pair, i) => ({ name: `sine of pair ${pair}`, color: i, dash: i, values: values.map((row) => row[isPaper ? 2 * pair : pair]) })),
  };
}

function likeness(shown) {
  return shown && {
    x: { label: "distance", values: shown.answer.likeness.map((_, i) => i) }, y: { label: "cosine" },
    series: [{ values: shown.answer.likeness, color: 0 }],
  };
}

function lengths(shown) {
  return shown && {
    x: { label: "pair", values: shown.answer.wavelengths.map((_, i) => i) }, y: { label: "tokens", log: true },
    series: [{ values: shown.answer.wavelengths, color: 0, dots: shown.answer.wavelengths.length < 40 }],
  };
}
