// Not there yet.

import { fill, h } from "../dom.js";

export default {
  async open(root) {
    fill(root, h("p", { class: "loading" }, "Not there yet."));
    return { update() {}, close() {} };
  },
};
