// Two models side by side: the points that both have, coloured by how many of their nearest neighbours
// are the same in both. What is pointed at or chosen in one map is marked in the other.

import { fill, h } from "../dom.js";
import { capital, rowsWith } from "../labels.js";
import { createCombobox } from "../map/combobox.js";
import { ramp } from "../map/palette.js";
import { showProgress } from "../progress.js";
import { createScatter } from "../scatter.js";
import { isWords } from "../sets.js";
import { loadStyles } from "../styles.js";
import { onTheme } from "../theme.js";
import { showHow, showOverview, showPoint, showRanked } from "../compare/lists.js";
import { drawChoices, layoutOf } from "../compare/shell.js";

const LABELLED = 120;
const SIDES = ["a", "b"];

export default {
  async open(root, app) {
    await loadStyles("map", "compare");
    const view = new CompareView(root, app);
    view.show(app.params());
    return { update: (params) => view.show(params), close: () => view.close() };
  },
};

class CompareView {
  constructor(root, app) {
    this.app = app;
    this.parts = layoutOf(root);
    this.near = new Map(); // i -> the answer
    this.scatters = Object.fromEntries(SIDES.map((side) => [side, createScatter(this.parts[side].frame, {
      label: `Map of ${side.toUpperCase()}`, fit: true, onHover: (i) => this.point(i), onSelect: ([i]) => i != null && this.choose(i),
    })]));
    this.parts.onChoice = (changes) => { app.set({ ...this.shown, point: null, ...changes }, { push: true }); return this.show(app.params()); };
    const suggest = async (text) => rowsWith(this.labels ?? [], text).map((i) => ({ row: i, label: this.labels[i] }));
    const box = createCombobox({ input: this.parts.search, suggest, onTake: ({ row }) => this.choose(row), onEnter: (text) => this.search(text) });
    this.parts.searchField.append(box.list);
    this.endTheme = onTheme(() => this.recolor());
  }

  async show(params) {
    try {
      const wanted = { a: params.a, b: params.b, set: params.set };
      if (!this.about || JSON.stringify(wanted) !== JSON.stringify(this.shown)) await this.load(wanted);
      const point = params.point == null ? null : this.keys.indexOf(params.point);
      if (point === -1) this.fail(new Error(`${params.point} is not among the points that are compared.`));
      this.chosen = point == null || point < 0 ? null : point;
      await this.showChosen();
    } catch (error) {
      this.fail(error);
    }
  }

  async load(wanted) {
    const { api } = this.app, { parts } = this;
    this.shown = wanted;
    this.loading?.abort();
    const { signal } = (this.loading = new AbortController());
    parts.wrong.hidden = true;
    const sides = await api.json("compare/sides", { a: wanted.a, b: wanted.b }, { signal });
    drawChoices(parts, { ...sides, set: wanted.set ?? sides.sets[0] });
    const { buffer } = await api.binary("compare/data", wanted, { signal, onWait: (state) => this.progress(state) });
    this.about = await api.json("compare", wanted, { signal });
    const { labels, keys } = await api.json("compare/labels", wanted, { signal });
    this.progress(null);
    this.labels = labels;
    this.keys = keys ?? labels;
    this.named = isWords(this.about.set) ? telling(labels) : [];
    this.near.clear();
    const floats = new Float32Array(buffer), n = this.about.n;
    this.xy = { a: floats.subarray(0, 2 * n), b: floats.subarray(2 * n, 4 * n) };
    this.frame = floats.subarray(0, 4 * n); // of both, so that a place is the same in either
    this.overlaps = floats.subarray(4 * n);
    this.hovered = this.chosen = null;
    this.describe();
    await Promise.all(SIDES.map((side) => this.scatters[side].draw(this.xy[side], { ...this.encoding(), frame: this.frame })));
    this.mark();
  }

  encoding() {
    return { values: this.overlaps, colors: ramp() };
  }

  describe() {
    const { parts, about } = this, lists = this.lists();
    for (const side of SIDES) {
      const { name, dim, n } = about[side];
      fill(parts[side].title, h("span", { class: "which" }, side.toUpperCase()), ` ${name} `, h("span", { class: "note" }, `${n.toLocaleString("en")} ${about.set}, ${dim} dimensions`));
      this.scatters[side].canvas.setAttribute?.("aria-label", `Map of ${side.toUpperCase()}, ${name}. Arrow keys move it, plus and minus zoom, 0 shows all.`);
    }
    showOverview(parts.overview, about, colorOf);
    showRanked(parts.changed, "Changed most", about.changed, lists);
    showRanked(parts.kept, "Changed least", about.kept, lists);
    showHow(parts.how, about);
    fill(parts.legend, "0", h("span", { class: "ramp", style: { background: `linear-gradient(to right, ${ramp().join(", ")})` } }), `${about.k} of ${about.k} neighbours the same`);
  }

  lists() {
    return { k: this.about.k, overlaps: this.overlaps, labelOf: (i) => this.labels[i], onGo: (i) => this.choose(i, { look: true }), onPoint: (i) => this.point(i) };
  }

  async recolor() {
    if (!this.about) return;
    this.describe();
    await Promise.all(SIDES.map((side) => this.scatters[side].paint(this.encoding())));
  }

  /** The neighbours of a point in both; asked once. */
  neighbors(i) {
    if (!this.near.has(i)) {
      const answer = this.app.api.json("compare/point", { ...this.shown, i });
      this.near.set(i, answer);
      answer.catch(() => this.near.delete(i));
    }
    return this.near.get(i);
  }

  async point(i) {
    this.hovered = i;
    if (i != null) {
      await pause(90); // what is passed over is not asked for
      if (this.hovered !== i || this.closed) return;
      try {
        this.hoveredNear = await this.neighbors(i);
      } catch (error) {
        return this.fail(error);
      }
    }
    if (this.hovered === i) this.mark();
  }

  async choose(i, { look = false } = {}) {
    this.chosen = i;
    this.parts.wrong.hidden = true;
    this.app.set({ point: this.keys[i] }, { push: true });
    try {
      await this.showChosen();
      if (look) for (const side of SIDES) this.bringIntoView(side, i);
    } catch (error) {
      this.fail(error);
    }
  }

  async showChosen() {
    const { parts, about, chosen } = this;
    if (!about) return;
    parts.search.value = chosen == null ? "" : this.labels[chosen];
    if (chosen == null) fill(parts.point, h("p", { class: "note" }, "Choose a point in either map, in a list or by the box, to see its neighbours in both."));
    else {
      this.chosenNear = await this.neighbors(chosen);
      if (this.chosen !== chosen || this.closed) return;
      showPoint(parts.point, { ...this.lists(), ...this.chosenNear, label: this.labels[chosen], k: about.k, names: { a: about.a.name, b: about.b.name } });
      parts.live.textContent = `${this.labels[chosen]}: ${this.chosenNear.shared} of ${about.k} neighbours are the same`;
    }
    this.mark();
  }

  /** Rings, lines and names in both maps: of what is pointed at, else of what is chosen. */
  mark() {
    if (this.closed || !this.about) return;
    for (const side of SIDES) {
      const marks = [], labels = [], lines = [], taken = new Set();
      const show = (i, near) => {
        if (i == null || taken.has(i)) return;
        taken.add(i);
        marks.push({ row: i, kind: "pin" });
        labels.push({ row: i, text: this.labels[i], kind: "pin", weight: 1e6 });
        for (const other of near?.i === i ? near[side] : []) {
          marks.push({ row: other.i, kind: "near" });
          lines.push({ from: i, to: other.i, kind: "line" });
          labels.push({ row: other.i, text: this.labels[other.i], kind: "near", weight: 1e5 });
        }
      };
      show(this.chosen, this.hovered == null || this.hovered === this.chosen ? this.chosenNear : null);
      show(this.hovered, this.hoveredNear);
      for (const i of this.named) labels.push({ row: i, text: this.labels[i], kind: "", weight: -i });
      this.scatters[side].setMarks(marks);
      this.scatters[side].setArrows(lines);
      this.scatters[side].setLabels([...new Map(labels.reverse().map((label) => [label.row, label])).values()]);
    }
  }

  bringIntoView(side, i) {
    const scatter = this.scatters[side], at = scatter.screen(i);
    if (!at) return;
    const { width, height } = scatter.container.getBoundingClientRect();
    if (at[0] > 20 && at[1] > 20 && at[0] < width - 20 && at[1] < height - 20) return;
    const [x, y] = scatter.at(i);
    scatter.setView({ x, y, zoom: scatter.view().zoom }, { transition: true });
  }

  search(text) {
    if (!text) { this.chosen = null; this.app.set({ point: null }); return this.showChosen(); }
    const [first] = rowsWith(this.labels ?? [], text);
    const exact = this.labels.indexOf(text);
    if (exact >= 0 || first != null) return this.choose(exact >= 0 ? exact : first, { look: true });
    this.fail(new Error(`Nothing that is compared is called “${text}”.`));
  }

  progress(state) {
    showProgress(this.parts.progress, state && `${capital(state.message)}…`, state?.share);
  }

  fail(error) {
    if (error.name === "AbortError" || this.closed) return;
    this.progress(null);
    this.parts.wrong.hidden = false;
    this.parts.wrong.textContent = error.message;
  }

  close() {
    this.closed = true;
    this.loading?.abort();
    this.endTheme();
    for (const side of SIDES) this.scatters[side].close();
  }
}

/** The colour of a share, as the points have it. */
function colorOf(share) {
  const colors = ramp();
  return colors[Math.min(colors.length - 1, Math.floor(share * colors.length))];
}

/** The most frequent words that are not the shortest, which say little. */
function telling(labels) {
  const rows = [];
  for (let i = 0; i < labels.length && rows.length < LABELLED; i++) if ([...labels[i]].length > 3) rows.push(i);
  return rows;
}

function pause(milliseconds) {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
