// T5: a learned number for each bucket of distances.

import { h } from "../dom.js";
import { createLines } from "../plot/lines.js";
import { createPanel } from "./section.js";

export const t5 = {
  id: "t5", path: "t5", name: "T5", title: "T5: distances fall into buckets",
  sentences: [
    "Each head learns a number for each bucket of distances, and adds it to the score. Near distances have a bucket each; farther ones share buckets that widen.",
    "All distances beyond the largest share the last bucket, so a longer text brings nothing new, and the order of far tokens cannot be told.",
  ],
  paper: { text: "Raffel et al. (2020), Exploring the limits of transfer learning, section 2.1", href: "https://arxiv.org/abs/1910.10683" },
  controls: [
    { name: "n_buckets", label: "Buckets", options: [4, 8, 16, 32, 64, 128], start: 32 },
    { name: "max_distance", label: "Largest distance", options: [32, 64, 128, 256, 512, 1024], start: 128 },
    { name: "length", label: "Distances up to", options: [32, 64, 160, 320, 640, 1024], start: 160 },
    { name: "bidirectional", label: "Attention", choices: { true: "an encoder's: both sides", false: "a decoder's: what came before" }, start: "true" },
  ],
  figures: (get) => [
    { isWide: true, frame: createLines({ title: "The bucket of each distance", height: 300, data: () => steps(get()) }),
      text: "Positive: the key is so many tokens before the query. In an encoder, keys after the query have the upper half of the buckets, whose first stays empty: distance 0 is in the lower one." },
    { isWide: true, frame: createPanel("What each bucket holds", get, buckets), text: "The first are one distance wide, the later ones grow by a constant factor." },
  ],
};

function steps(shown) {
  return shown && {
    x: { label: "tokens that the key is before the query", values: shown.answer.distances }, y: { label: "bucket", low: -0.5, high: Number(shown.values.n_buckets) - 0.5 },
    series: [{ values: shown.answer.buckets, color: 0, steps: true }],
  };
}

function buckets({ answer, values }) {
  const found = new Map();
  answer.distances.forEach((distance, i) => {
    const range = found.get(answer.buckets[i]) ?? [distance, distance];
    found.set(answer.buckets[i], [Math.min(range[0], distance), Math.max(range[1], distance)]);
  });
  const isOpen = (value) => Math.abs(value) === Number(values.length);
  const text = ([low, high]) => (low === high && !isOpen(low) ? `${low}` : `${isOpen(low) ? "" : low}…${isOpen(high) ? "" : high}`);
  const items = [...found].sort((a, b) => a[0] - b[0]).map(([bucket, range]) => h("li", {}, h("b", {}, String(bucket)), h("span", {}, text(range).replaceAll("-", "−"))));
  return h("ul", { class: "buckets" }, ...items);
}
