// A text box with suggestions below it (the combobox of ARIA's practices): arrows choose, Enter takes,
// Escape closes.

import { debounced, fill, h } from "../dom.js";

let count = 0;

/**
 * `suggest(text, signal)` gives points [{ row, label, score }]; `onTake(point)` is called with the one
 * that is chosen, `onEnter(text)` when Enter is pressed and none is.
 */
export function createCombobox({ input, suggest, onTake, onEnter }) {
  const id = `suggestions-${++count}`;
  const list = h("ul", { class: "suggestions", role: "listbox", id, "aria-label": "Suggestions", hidden: true });
  for (const [name, value] of Object.entries({ role: "combobox", "aria-autocomplete": "list", "aria-expanded": "false", "aria-controls": id, autocomplete: "off", spellcheck: "false" })) {
    input.setAttribute(name, value);
  }
  let points = [], active = -1, asking = null, taken = null; // what Enter was pressed on needs no suggestions
  const look = debounced(async () => {
    const text = input.value.trim();
    asking?.abort();
    if (!text || text === taken || document.activeElement !== input) return close();
    asking = new AbortController();
    try {
      show(await suggest(text, asking.signal));
    } catch (error) {
      if (error.name !== "AbortError") close();
    }
  }, 140);

  function show(found) {
    if (document.activeElement !== input) return;
    points = found;
    active = -1;
    fill(list, ...points.map((point, i) => h("li", { role: "option", id: `${id}-${i}`, "aria-selected": "false", onmousedown: (event) => { event.preventDefault(); take(i); } }, point.label)));
    list.hidden = !points.length;
    mark();
  }

  function mark() {
    [...list.children].forEach((item, i) => item.setAttribute("aria-selected", String(i === active)));
    list.children[active]?.scrollIntoView({ block: "nearest" });
    input.setAttribute("aria-expanded", String(!list.hidden));
    if (active < 0) input.removeAttribute("aria-activedescendant");
    else input.setAttribute("aria-activedescendant", `${id}-${active}`);
  }

  function close() {
    points = [];
    active = -1;
    list.hidden = true;
    mark();
  }

  function take(i) {
    const point = points[i];
    asking?.abort();
    close();
    onTake(point);
  }

  input.addEventListener("input", () => { taken = null; look(); });
  input.addEventListener("blur", () => { asking?.abort(); close(); });
  input.addEventListener("keydown", (event) => {
    if (event.isComposing) return;
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step && points.length) {
      event.preventDefault();
      active = (active + step + points.length + (active < 0 && step < 0 ? 1 : 0)) % points.length;
      mark();
    } else if (event.key === "Enter") {
      event.preventDefault();
      if (active >= 0) take(active);
      else {
        asking?.abort();
        close();
        taken = input.value.trim();
        onEnter?.(taken);
      }
    } else if (event.key === "Escape" && !list.hidden) {
      event.stopPropagation();
      close();
    }
  });
  return { list, close };
}
