// Colours of points: of categories, and a scale for numbers whose lightness changes evenly.

import { color, palette } from "../theme.js";

const STEPS = 64;
const NAMELESS = new Set(["other", "none"]);

/** A colour for each category, and a grey one for points that have none. */
export function categoryColors(names) {
  const base = palette(), paper = color("--paper"), ink = color("--ink");
  const at = (i) => {
    const round = Math.floor(i / base.length) % 3;
    return round === 0 ? base[i % base.length] : mixed(base[i % base.length], round === 1 ? paper : ink, 0.4);
  };
  return [...names.map((name, i) => (NAMELESS.has(name) ? grey() : at(i))), grey()];
}

/** The grey of what has no category or number. */
export function grey() {
  return mixed(color("--soft"), color("--paper"), 0.6);
}

/** From low to high; high stands out from the paper, light or dark. */
export function ramp() {
  const dark = luminance(color("--paper")) < 0.4;
  return Array.from({ length: STEPS }, (_, i) => {
    const t = i / (STEPS - 1);
    const hue = 285 - 190 * (dark ? t : 1 - t); // violet, blue, green, yellow
    const light = dark ? 0.45 + 0.47 * t : 0.84 - 0.52 * t;
    return fromOklch(light, 0.1 + 0.03 * Math.sin(Math.PI * t), hue);
  });
}

/** A colour of OKLab (Björn Ottosson 2020) as "#rrggbb", less vivid where the screen has none such. */
function fromOklch(light, chroma, hue) {
  const linear = toLinear(light, chroma, hue);
  if (chroma > 0 && linear.some((value) => value < 0 || value > 1)) return fromOklch(light, chroma - 0.004, hue);
  return hex(linear.map((value) => 255 * (value <= 0.0031308 ? 12.92 * value : 1.055 * value ** (1 / 2.4) - 0.055)));
}

function toLinear(light, chroma, hue) {
  const a = chroma * Math.cos((hue * Math.PI) / 180), b = chroma * Math.sin((hue * Math.PI) / 180);
  const l = (light + 0.3963377774 * a + 0.2158037573 * b) ** 3;
  const m = (light - 0.1055613458 * a - 0.0638541728 * b) ** 3;
  const s = (light - 0.0894841775 * a - 1.291485548 * b) ** 3;
  return [
    4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s,
    -1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s,
    -0.0041960863 * l - 0.7034186147 * m + 1.707614701 * s,
  ];
}

function mixed(one, other, share) {
  const a = channels(one), b = channels(other);
  return hex(a.map((value, i) => value * (1 - share) + b[i] * share));
}

function luminance(colour) {
  const [r, g, b] = channels(colour);
  return (0.299 * r + 0.587 * g + 0.114 * b) / 255;
}

function channels(colour) {
  return [1, 3, 5].map((start) => parseInt(colour.slice(start, start + 2), 16));
}

function hex(values) {
  return `#${values.map((value) => Math.round(Math.min(255, Math.max(0, value || 0))).toString(16).padStart(2, "0")).join("")}`;
}
