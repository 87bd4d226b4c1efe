// What points are coloured by, and the legend that says which colour is what. An entry that is clicked
// makes all others faint; several can be.

import { fill, h } from "../dom.js";
import { color } from "../theme.js";
import { categoryColors, ramp } from "./palette.js";

const SHOWN = 14; // entries of a legend before "more"

/** `onChange()` when the points are to be painted again. */
export function createColors(root, onChange) {
  const state = { turn: 0, by: "", title: "", data: null, lit: new Set(), all: false };

  /** What scatter.draw and scatter.paint take. */
  function encoding() {
    const { data, lit } = state;
    if (!data) return { colors: [color("--accent")] };
    if (data.kind === "number") return { values: data.values, colors: ramp() };
    const colors = categoryColors(data.names);
    return { codes: data.codes, colors, visible: lit.size ? colors.map((_, i) => lit.has(i)) : null };
  }

  async function load(session, by, title) {
    const turn = ++state.turn;
    Object.assign(state, { by, title, data: null, lit: new Set(), all: false, open: null });
    if (by && by !== "none") {
      const { buffer } = await session.bytes("colors.bin", { by });
      const about = await session.ask("colors", { by });
      if (turn !== state.turn) return; // another was chosen meanwhile
      state.data = about.kind === "number"
        ? { ...about, values: new Float32Array(buffer) }
        : { ...about, ...categories(new Uint16Array(buffer), about.names) };
    }
    drawLegend();
  }

  function toggle(code) {
    state.lit.has(code) ? state.lit.delete(code) : state.lit.add(code);
    drawLegend();
    onChange();
  }

  function drawLegend() {
    const { data, title, by } = state;
    root.hidden = !data;
    if (!data) return fill(root);
    const open = state.open ?? (data.kind === "number" || by !== "cluster"); // clusters have their names on the map
    fill(root, h("details", { open, ontoggle: (event) => { state.open = event.target.open; } },
      h("summary", {}, title), ...(data.kind === "number" ? numbers(data) : entries(data))));
  }

  function entries({ names, counts }) {
    const colors = categoryColors(names);
    const order = names.map((name, code) => ({ name, code, n: counts[code] })).filter(({ n }) => n);
    if (counts[names.length]) order.push({ name: "none", code: names.length, n: counts[names.length] });
    const shown = state.all ? order : order.slice(0, SHOWN);
    const items = shown.map(({ name, code, n }) => h("li", {},
      h("button", { type: "button", class: "entry", "aria-pressed": String(state.lit.has(code)), title: `${name}: ${n.toLocaleString("en")}`, onclick: () => toggle(code) },
        h("span", { class: "dot", style: { background: colors[code] }, "aria-hidden": "true" }), h("span", { class: "name" }, name))));
    const rest = order.length - shown.length;
    return [
      h("ul", { class: state.lit.size ? "some" : null }, ...items),
      rest || state.all && order.length > SHOWN ? h("button", { type: "button", class: "link", onclick: () => { state.all = !state.all; drawLegend(); } }, rest ? `${rest} more` : "fewer") : null,
      state.lit.size ? h("button", { type: "button", class: "link", onclick: () => { state.lit.clear(); drawLegend(); onChange(); } }, "show all") : null,
    ];
  }

  function numbers({ low, high, log, dates }) {
    if (low == null) return [h("p", { class: "note" }, "No point has one.")];
    [low, high] = dates ?? [low, high];
    return [
      h("div", { class: "ramp", "aria-hidden": "true", style: { background: `linear-gradient(to right, ${ramp().join(",")})` } }),
      h("div", { class: "ends" }, h("span", {}, shortly(low)), log ? h("span", { class: "scale" }, "log") : null, h("span", {}, shortly(high))),
    ];
  }

  /** The legend as a saved picture draws it. */
  function legend() {
    const { data, title, lit, by } = state;
    if (!data || (by === "cluster" && !state.open)) return null;
    if (data.kind === "number") return { title, ramp: ramp(), low: shortly((data.dates ?? [data.low])[0]), high: shortly(data.dates?.[1] ?? data.high) };
    const colors = categoryColors(data.names);
    const wanted = data.names.map((name, i) => ({ name, color: colors[i], code: i })).filter(({ code }) => data.counts[code] && (!lit.size || lit.has(code)));
    return { title, entries: wanted.slice(0, SHOWN) };
  }

  return { encoding, load, legend, redraw: drawLegend, by: () => state.by };
}

function categories(raw, names) {
  const counts = new Array(names.length + 1).fill(0);
  const codes = new Float32Array(raw.length);
  for (let i = 0; i < raw.length; i++) {
    const code = raw[i] < names.length ? raw[i] : names.length;
    codes[i] = code;
    counts[code] += 1;
  }
  return { codes, counts };
}

function shortly(value) {
  if (value == null) return "";
  if (typeof value === "string") return value;
  if (Math.abs(value) >= 10_000) return value.toLocaleString("en", { notation: "compact", maximumFractionDigits: 1 });
  return Number.isInteger(value) ? String(value) : value.toPrecision(3);
}
