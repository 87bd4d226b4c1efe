// Positions: how models are told which token stands where, one method at a time.

import { fill, h, setCurrent } from "../dom.js";
import { alibi } from "../positions/alibi.js";
import { extrapolation } from "../positions/extrapolation.js";
import { overview } from "../positions/overview.js";
import { rope } from "../positions/rope.js";
import { createSection } from "../positions/section.js";
import { sinusoidal } from "../positions/sinusoidal.js";
import { t5 } from "../positions/t5.js";
import { loadStyles } from "../styles.js";

const METHODS = [overview, sinusoidal, rope, alibi, t5, extrapolation];

export default {
  title: "Positions",
  async open(root, app) {
    await loadStyles("plot", "positions");
    const tabs = METHODS.map(({ id, name }) => h("a", { href: `#/positions?method=${id}` }, name));
    const place = h("div", {});
    let section = null;
    fill(root, h("div", { class: "page positions" }, h("h1", {}, "Positions: which token stands where"),
      h("nav", { class: "methods-nav", "aria-label": "Methods of position" }, ...tabs), place));
    update(app.params());
    return { update, close: () => section?.close() };

    function update({ method }) {
      const wanted = METHODS.find((one) => one.id === method) ?? overview;
      tabs.forEach((tab, i) => setCurrent(tab, METHODS[i] === wanted && "page"));
      section?.close();
      section = wanted.create ? wanted.create() : createSection(wanted, app);
      fill(place, section.element);
    }
  },
};
