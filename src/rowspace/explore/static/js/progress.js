// How far something is that the server makes.

import { fill, h } from "./dom.js";

/** Shows a text and a share in [0, 1] in `root`; hides it without a text. */
export function showProgress(root, text, share) {
  root.hidden = text == null;
  fill(root, ...(text == null ? [] : [h("p", {}, text), h("progress", { max: 1, value: share, "aria-label": text })]));
}
