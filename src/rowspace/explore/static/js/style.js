// A view's own style sheet, added when the view first opens.

import { h } from "./dom.js";

/** Adds css/NAME.css for each name; resolves when they count. */
export function addStyles(...names) {
  return Promise.all(names.map((name) => {
    const href = `css/${name}.css`;
    if (document.querySelector(`link[href='${href}']`)) return null;
    return new Promise((resolve) => document.head.append(h("link", { rel: "stylesheet", href, onload: resolve, onerror: resolve })));
  }));
}
