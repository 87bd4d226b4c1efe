// The page of the training view without what it shows.

import { fill, h } from "../dom.js";

/** Puts it into `root`. */
export function layoutOf(root) {
  const parts = {
    search: h("input", { type: "search", placeholder: "A word", "aria-label": "Word to follow" }),
    frame: h("div", { class: "frame" }),
    progress: h("div", { class: "progress", role: "status", hidden: true }),
    play: h("button", { type: "button", class: "play" }, "Play"),
    slider: h("input", { type: "range", min: "0", step: "any", value: "0", "aria-label": "Step of the training" }),
    told: h("output", { class: "told" }),
    loss: h("div", { class: "loss" }),
    word: h("section", { "aria-label": "Neighbours" }),
    groups: h("ul", { class: "groups" }),
    how: h("p", { class: "note" }),
    wrong: h("p", { class: "wrong", role: "alert", hidden: true }),
    live: h("p", { class: "visually-hidden", role: "status" }),
  };
  parts.searchField = h("div", { class: "search", role: "search" }, parts.search);
  fill(root, h("div", { class: "training map" },
    h("h1", { class: "visually-hidden" }, "Training"),
    parts.wrong,
    h("div", { class: "body" },
      h("div", { class: "main" },
        h("div", { class: "stage" }, parts.frame, parts.progress),
        h("div", { class: "controls" }, parts.play, parts.slider, parts.told)),
      h("aside", { class: "side", "aria-label": "About this step" },
        h("section", {}, parts.searchField),
        parts.word,
        h("section", { "aria-label": "Loss" }, h("h2", {}, "Loss"), parts.loss),
        h("section", { "aria-label": "Groups" }, h("h2", {}, "Groups at the end"), parts.groups),
        h("section", { "aria-label": "How it is drawn" }, h("h2", {}, "How it is drawn"), parts.how))),
    parts.live));
  return parts;
}
