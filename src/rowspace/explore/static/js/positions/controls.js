// The settings of a plot: sliders over lists of numbers, and choices.

import { h } from "../dom.js";

/**
 * Controls of `specs`: {name, label, options, unit} is a slider over numbers, {name, label, choices:
 * {value: text}} a choice. `onChange(values)` is told of every change.
 */
export function createControls(specs, given, onChange) {
  const values = {};
  const element = h("div", { class: "controls" }, ...specs.map((spec) => {
    values[spec.name] = given[spec.name] ?? String(spec.start);
    return spec.choices ? choice(spec) : slider(spec);
  }));
  return { element, values };

  function set(name, value) {
    values[name] = value;
    onChange(values);
  }

  function choice({ name, label, choices }) {
    const select = h("select", { "data-name": name, onchange: () => set(name, select.value) },
      ...Object.entries(choices).map(([value, text]) => h("option", { value }, text)));
    select.value = values[name];
    return h("label", {}, label, select);
  }

  function slider({ name, label, options }) {
    const list = listWith(options, values[name]);
    const shown = h("output", {}, number(values[name]));
    const input = h("input", { type: "range", "data-name": name, min: "0", max: String(list.length - 1), step: "1", value: String(list.indexOf(values[name])), "aria-valuetext": values[name],
      oninput: () => {
        const value = list[Number(input.value)];
        shown.textContent = number(value);
        input.setAttribute("aria-valuetext", value);
        set(name, value);
      } });
    return h("label", {}, h("span", { class: "named" }, label, " ", shown), input);
  }
}

/** The options as text, with what an address says among them, so that it stays as it is. */
function listWith(options, value) {
  const list = options.map(String);
  if (!list.includes(value)) list.push(value);
  return list.sort((a, b) => Number(a) - Number(b));
}

function number(value) {
  return Number.isFinite(Number(value)) ? Number(value).toLocaleString("en") : value;
}
