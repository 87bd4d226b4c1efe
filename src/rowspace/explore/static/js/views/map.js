// The map: every point where its neighbours are near.

import { h, fill } from "../dom.js";
import { createScatter } from "../scatter.js";

export default {
  async open(root, app) {
    const set = app.about.subjects[0].sets[0];
    const frame = h("div", { class: "frame" });
    fill(root, frame);
    const scatter = createScatter(frame, { label: `Map of ${set.n.toLocaleString("en")} ${set.id}` });
    const { buffer } = await app.api.binary("map", { set: set.id, method: app.params().method });
    await scatter.draw(new Float32Array(buffer));
    return { update() {}, close: () => scatter.close() };
  },
};
