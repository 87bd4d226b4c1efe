// The points that are pinned: the last one open with what is known of it and its neighbours, the others
// a line each.

import { fill, h } from "../dom.js";
import { pointList } from "./list.js";
import { keyOf } from "./session.js";

const MOST = 8;
const HOW_MANY = [10, 25, 50];

/**
 * `onGo(row)` where a neighbour is chosen, `onChange(pins, open)` when pins or neighbours are others,
 * `onPoint(row | null)` when one is pointed at in the list, `onSearch(pin)` for a search from a pin.
 */
export function createPins(root, { session, onGo, onChange, onPoint, onSearch, searchText, onError }) {
  let pins = []; // { row, key, label, details, neighbors }, the newest first
  let open = null;
  let k = HOW_MANY[0];

  async function add(row, { focus = false } = {}) {
    const old = pins.find((pin) => pin.row === row);
    const [details] = old ? [old.details] : await session().details([row]);
    const pin = old ?? { row, key: keyOf(details), label: details.label, details, neighbors: null };
    pins = [pin, ...pins.filter((other) => other.row !== row)].slice(0, MOST);
    const shown = show(pin);
    if (focus) root.querySelector("h2")?.focus(); // before its neighbours are known
    await shown;
    return pin;
  }

  async function show(pin) {
    open = pin;
    draw();
    onChange(pins, open);
    if (pin.neighbors?.length !== k) {
      try {
        pin.neighbors = await session().neighbors(pin.row, k);
      } catch (error) {
        return onError(error);
      }
      if (open === pin) {
        draw();
        onChange(pins, open);
      }
    }
  }

  function remove(pin = open) {
    if (!pin) return false;
    pins = pins.filter((other) => other !== pin);
    if (open === pin) open = null;
    if (!open && pins.length) show(pins[0]);
    else { draw(); onChange(pins, open); }
    return true;
  }

  function draw() {
    root.hidden = !pins.length;
    const focused = root.contains(document.activeElement) ? document.activeElement.closest("[data-key]")?.dataset.key : null;
    fill(root, ...pins.map((pin) => (pin === open ? card(pin) : closed(pin))));
    if (focused != null && focused === open?.key) root.querySelector("h2")?.focus();
  }

  function closed(pin) {
    return h("div", { class: "pin closed" },
      h("button", { type: "button", class: "point", onclick: () => show(pin) }, h("span", { class: "name" }, pin.label)),
      unpin(pin));
  }

  function unpin(pin) {
    return h("button", { type: "button", class: "cross", "aria-label": `Unpin ${pin.label}`, title: "Unpin", onclick: () => remove(pin) }, "×");
  }

  function card(pin) {
    return h("article", { class: "pin", "data-key": pin.key },
      h("header", {}, h("h2", { tabindex: "-1" }, pin.label), unpin(pin)),
      facts(pin.details),
      h("div", { class: "between" },
        h("h3", {}, "Nearest"),
        h("label", { class: "inline" }, h("span", { class: "visually-hidden" }, "How many neighbours"),
          h("select", { onchange: (event) => { k = Number(event.target.value); show(pin); } },
            ...HOW_MANY.map((n) => h("option", { value: n, selected: n === k }, n))))),
      nearest(pin),
      h("button", { type: "button", class: "quiet wide", onclick: () => onSearch(pin) }, searchText(pin)));
  }

  function nearest({ label, neighbors }) {
    if (!neighbors) return h("p", { class: "note", role: "status" }, "Measuring…");
    if (!neighbors.length) return h("p", { class: "note" }, "Nothing is near it: its numbers are all zero, or there is nothing else.");
    return pointList(neighbors, onGo, { label: `Nearest to ${label}`, onHover: onPoint });
  }

  return {
    add, remove, show,
    pins: () => pins,
    open: () => open,
    clear() { pins = []; open = null; draw(); },
  };
}

function facts({ row, label, text, title, source, metadata, document_id, passage_id, ...others }) {
  const pairs = [...Object.entries(others), ...Object.entries(metadata ?? {}), ["source", source], ["id", passage_id ?? document_id]];
  const known = pairs.filter(([, value]) => value != null && value !== "");
  return [
    text ? h("p", { class: "text" }, text.length > 700 ? `${text.slice(0, 700)}…` : text) : null,
    known.length ? h("dl", { class: "facts" }, ...known.map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, told(value))))) : null,
  ];
}

function told(value) {
  if (typeof value === "number") return value.toLocaleString("en");
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}
