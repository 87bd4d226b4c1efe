// The page of the training view without what it shows.

import { fill, h } from "../dom.js";

/** Puts it into `root`. */
export function layoutOf(root) {
  const parts = {
    subject: h("select", { name: "subject" }),
    search: h("input", { type: "search", placeholder: "A word", "aria-label": "Word to follow", disabled: true }),
    frame: h("div", { class: "frame" }),
    progress: h("div", { class: "progress", role: "status", hidden: true }),
    play: h("button", { type: "button", class: "play", disabled: true }, "Play"),
    slider: h("input", { type: "range", min: "0", step: "any", value: "0", "aria-label": "Step of the training", disabled: true }),
    told: h("output", { class: "told" }),
    loss: h("div", { class: "loss" }),
    word: h("section", { "aria-label": "Neighbours" }),
    groups: h("ul", { class: "groups" }),
    how: h("p", { class: "note" }),
    wrong: h("p", { class: "wrong", role: "alert", hidden: true }),
    live: h("p", { class: "visually-hidden", role: "status" }),
  };
  parts.searchField = h("div", { class: "search", role: "search" }, parts.search);
  parts.of = h("label", { class: "of", hidden: true }, "Of", parts.subject);
  const section = (title, content) => h("section", { "aria-label": title, hidden: true }, h("h2", {}, title), content);
  parts.later = [section("Loss", parts.loss), section("Groups at the end", parts.groups), section("How it is drawn", parts.how)]; // once it is loaded
  fill(root, h("div", { class: "training map" },
    h("h1", { class: "visually-hidden" }, "Training"),
    parts.wrong,
    h("div", { class: "body" },
      h("div", { class: "main" },
        h("div", { class: "stage" }, parts.frame, parts.progress),
        h("div", { class: "controls" }, parts.play, parts.slider, parts.told)),
      h("aside", { class: "side", "aria-label": "About this step" },
        h("section", {}, parts.of, parts.searchField),
        parts.word,
        ...parts.later)),
    parts.live));
  return parts;
}
