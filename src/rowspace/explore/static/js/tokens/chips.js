// A text as a line of tokens, each a button with its id; one has the focus, the arrow keys move it.

import { fill, h, setCurrent } from "../dom.js";

const COLORS = 12;

/** `onPoint(place | null)` tells of the pointer, `onChoose(place)` of a click, a key or the focus. */
export function createChips({ onPoint, onChoose }) {
  const list = h("ol", { class: "chips", "aria-label": "Tokens" });
  let buttons = [], chosen = 0, tokens = [];
  list.addEventListener("keydown", move);
  return { element: list, draw, choose, get chosen() { return chosen; } };

  function draw(found, maxLength) {
    tokens = found;
    buttons = found.map((token, place) => chip(token, place));
    const firstCut = found.findIndex((token) => !token.is_read && token.row != null && token.part !== "special" && isTail(found, token));
    const items = buttons.map((button, place) => h("li", { class: joined(found, place) ? "joined" : "" }, button));
    if (maxLength && firstCut >= 0) items.splice(firstCut, 0, h("li", { class: "cut-here" }, `The model reads ${maxLength.toLocaleString("en")} tokens at once: what follows is cut off`));
    fill(list, ...items);
    chosen = Math.min(chosen, Math.max(0, buttons.length - 1));
    mark();
  }

  function chip(token, place) {
    const id = token.row == null ? (token.n_ngrams ? `${token.n_ngrams} n-grams` : "no row") : token.row.toLocaleString("en").replaceAll(",", " ");
    const button = h("button", {
      type: "button", tabindex: "-1", class: `chip ${stateOf(token)}`, "data-place": place,
      "aria-label": `${token.text}: ${token.row == null ? "not in the vocabulary, no row" : `row ${token.row}`}${token.is_read ? "" : ", not read"}`,
      onclick: () => choose(place), onfocus: () => choose(place),
      onpointerenter: () => onPoint(place), onpointerleave: () => onPoint(null),
    }, h("span", { class: "piece", dir: "auto" }, token.text), h("span", { class: "id" }, id));
    if (token.word >= 0 && token.part === "text") button.style.setProperty("--own", `var(--c${token.word % COLORS})`);
    return button;
  }

  function choose(place, { quiet = false } = {}) {
    if (place < 0 || place >= buttons.length) return;
    chosen = place;
    mark();
    if (!quiet) onChoose(place);
  }

  function mark() {
    buttons.forEach((button, place) => {
      button.tabIndex = place === chosen ? 0 : -1;
      setCurrent(button, place === chosen && "true");
    });
  }

  function move(event) {
    const to = { ArrowRight: chosen + 1, ArrowLeft: chosen - 1, Home: 0, End: buttons.length - 1 }[event.key];
    if (to == null || !buttons[to]) return;
    event.preventDefault();
    buttons[to].focus();
  }
}

function stateOf(token) {
  if (token.row == null) return token.is_read ? "ngrams" : "unknown";
  if (!token.is_read) return "unread";
  return token.part;
}

function isTail(tokens, token) {
  return tokens.slice(tokens.indexOf(token)).every((one) => !one.is_read || one.part === "special");
}

/** Whether a token goes on with the word of the one before it. */
function joined(tokens, place) {
  const before = tokens[place - 1], token = tokens[place];
  return Boolean(before) && token.word >= 0 && token.word === before.word && token.part === before.part;
}
