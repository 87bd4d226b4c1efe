// RoPE as clocks: each pair of values is a hand, turned by its own angle at each token.

import { fill, h, svg } from "../dom.js";

const MOST = 16;
const FARTHEST = 256;

/** The hands of some pairs at a position that a slider sets. */
export function createDials(get) {
  const clocks = h("div", { class: "dials" });
  const shown = h("output", {}, "12");
  const input = h("input", { type: "range", min: "0", max: String(FARTHEST), value: "12", "data-name": "position", oninput: redraw });
  const element = h("figure", { class: "plot" }, h("figcaption", {}, "Each pair is a hand that turns"),
    h("label", {}, h("span", { class: "named" }, "Position ", shown), input), clocks);
  return { element, redraw, close() {} };

  function redraw() {
    const state = get();
    if (!state) return;
    shown.textContent = input.value;
    const { wavelengths, frequencies } = state.answer;
    const n = frequencies.none.length;
    const pairs = [...new Set(Array.from({ length: Math.min(MOST, n) }, (_, i) => Math.round((i * (n - 1)) / Math.max(1, Math.min(MOST, n) - 1))))];
    fill(clocks, ...pairs.map((pair) => dial(pair, frequencies.none[pair] * Number(input.value), wavelengths.none[pair])));
  }
}

function dial(pair, angle, wavelength) {
  const turns = angle / (2 * Math.PI);
  const x = 26 + 21 * Math.cos(angle), y = 26 - 21 * Math.sin(angle);
  return h("div", { class: "dial" },
    svg("svg", { viewBox: "0 0 52 52", role: "img", "aria-label": `Pair ${pair}: ${turns.toFixed(2)} turns` },
      svg("circle", { class: "face", cx: 26, cy: 26, r: 23 }), svg("path", { class: "swept", d: wedge(angle) }),
      svg("line", { class: "hand", x1: 26, y1: 26, x2: x, y2: y }), svg("circle", { class: "hub", cx: 26, cy: 26, r: 2.2 })),
    h("span", {}, `pair ${pair}`), h("span", { class: "soft" }, `1 turn in ${Math.round(wavelength).toLocaleString("en")}`));
}

/** What the hand has passed, of its last turn. */
function wedge(angle) {
  const rest = angle % (2 * Math.PI);
  const x = 26 + 21 * Math.cos(rest), y = 26 - 21 * Math.sin(rest);
  return `M26 26 L47 26 A21 21 0 ${rest > Math.PI ? 1 : 0} 0 ${x} ${y} Z`;
}
