// The map: every point of a set where its neighbours are near. Search, pins with their neighbours,
// analogies, colours, a lasso, and an address for every state. The parts are in js/map/.

import { fill, h } from "../dom.js";
import { createScatter } from "../scatter.js";
import { capital } from "../labels.js";
import { isWords } from "../sets.js";
import { loadStyles } from "../styles.js";
import { onTheme } from "../theme.js";
import { arrowsOf, createAnalogy } from "../map/analogy.js";
import { createColors } from "../map/colors.js";
import { createCombobox } from "../map/combobox.js";
import { createHover } from "../map/hover.js";
import { createLabels } from "../map/labels.js";
import { createPins } from "../map/pins.js";
import { createResults, showLasso } from "../map/found.js";
import { createSession } from "../map/session.js";
import { layoutOf } from "../map/shell.js";
import { readKeys, readView, writeKeys, writeView } from "../map/links.js";
import { MEANING, toldOf } from "../map/measured.js";
import { savePicture } from "../map/save.js";

const PATIENCE = 150; // milliseconds that a map waits for its colours
const FEW = 40; // points whose groups need no names
const QUICK = "pca"; // the layout that is made in a moment

export default {
  async open(root, app) {
    await loadStyles("map");
    if (!app.about.subjects.some(hasPoints)) return showNothing(root);
    const view = new MapView(root, app);
    view.show(app.params()); // which may take minutes; the page can be left meanwhile
    return { update: (params) => view.show(params), close: () => view.close() };
  },
};

class MapView {
  constructor(root, app) {
    this.app = app;
    this.subjects = app.about.subjects;
    this.shown = {}; // the parameters that are shown
    this.answer = null; // of the analogy
    this.hovered = null; // { row, rows }
    const parts = (this.parts = layoutOf(root));
    this.scatter = createScatter(parts.frame, {
      label: "Map", fit: true, avoid: () => [parts.legend, parts.zoom, parts.measured], onHover: (row) => this.hover.over(row), onSelect: (rows) => this.clicked(rows),
      onLasso: (rows) => this.lassoed(rows), onView: (view, isAll) => this.viewed(view, isAll),
    });
    const session = () => this.session;
    const go = (row) => this.pin(row, { focus: true });
    const point = (row) => this.scatter.works && this.point(row);
    this.labels = createLabels(this.scatter, session, () => this.set.id);
    this.hover = createHover(parts.tip, this.scatter, session, (row, rows) => { this.hovered = row == null ? null : { row, rows }; this.mark(); });
    this.colors = createColors(parts.legend, () => this.scatter.paint(this.colors.encoding()));
    this.pins = createPins(parts.pins, { session, onGo: go, onPoint: point, onChange: () => this.pinned(), onError: (error) => this.fail(error), onSearch: (pin) => this.searchFrom(pin), searchText: () => this.searchText() });
    this.found = createResults(parts.found, { onGo: go, onPoint: point, onClose: () => this.search("", { push: true }) });
    this.lasso = createResults(parts.lasso, { onGo: go, onPoint: point, onClose: () => this.lassoed([]) });
    this.analogy = createAnalogy(parts.analogy, { session, onGo: go, onPoint: point, onAnswer: (...answer) => this.answered(...answer), onClose: () => this.closeAnalogy(), say: (text) => this.say(text) });
    const box = createCombobox({ input: parts.search, suggest: (text, signal) => this.session.find(text, 10, { signal }), onTake: (found) => { parts.search.value = this.shown.q ?? ""; this.pin(found.row, { focus: true }); }, onEnter: (text) => this.search(text, { push: true }) });
    parts.searchField.append(box.list);
    this.listen();
  }

  // What is shown

  /** Show what parameters say; what they have in common with what is shown stays. */
  async show(params) {
    const before = this.shown;
    const wanted = this.wanted(params);
    this.shown = { ...params };
    const other = this.where == null || ["subject", "set", "model"].some((name) => wanted[name] !== this.where[name]);
    try {
      await Promise.all([ // lists do not wait for the map
        this.showMap(wanted, other, params, before),
        this.showPins(readKeys(params.pin)),
        params.q !== before.q || other ? this.search(params.q ?? "") : null,
        this.showAnalogy(params, before, other),
      ]);
    } catch (error) {
      if (error.name !== "AbortError") this.status(null); // else another state is on its way
      this.fail(error);
    }
  }

  async showMap(wanted, other, params, before) {
    const view = readView(params.at);
    const moved = params.at !== before.at;
    if (other || wanted.method !== this.method) await this.load(wanted, other, view);
    else {
      this.showChoices(wanted);
      if (moved) this.scatter.setView(view ?? {});
    }
    if (!other && wanted.color !== this.colors.by()) await this.recolor(wanted.color);
  }

  /** The set, model, layout and colour that parameters mean, where they are left out the first. */
  wanted(params) {
    const asked = Number(params.subject ?? 0);
    const subject = this.subjects[asked]?.sets.length ? asked : this.subjects.findIndex(hasPoints);
    const sets = this.subjects[subject].sets;
    const set = sets.find(({ id }) => id === params.set) ?? sets[0];
    const methods = methodsOf(set);
    const method = methods.some((one) => one.method === params.method) ? params.method : methods[0].method;
    const color = ["cluster", "none", ...Object.keys(set.fields)].includes(params.color) ? params.color : "cluster";
    return { subject, set: set.id, model: params.model ?? "", method, color };
  }

  async load(wanted, other, view) {
    const set = this.subjects[wanted.subject].sets.find(({ id }) => id === wanted.set);
    const { models = [] } = this.subjects[wanted.subject];
    const isDefault = !wanted.model || wanted.model === models[0]; // the fingerprint is of its vectors
    this.where = { subject: wanted.subject, set: set.id, model: wanted.model, fingerprint: isDefault ? set.fingerprint : null };
    this.set = set;
    this.method = wanted.method;
    if (other) {
      this.session?.end();
      this.session = createSession(this.app.api, () => this.where);
      this.pins.clear();
      this.found.clear();
      this.lasso.clear();
      this.labels.clear();
      this.answer = null;
    }
    this.parts.measured.hidden = true;
    this.parts.measured.title = MEANING;
    this.showChoices(wanted);
    this.scatter.canvas.setAttribute?.("aria-label", `Map of ${set.n.toLocaleString("en")} ${set.id}. Arrow keys move it, plus and minus zoom, 0 shows all.`);
    if (!this.scatter.works) return;
    this.loading?.abort();
    const { signal } = (this.loading = new AbortController());
    const coloring = other ? this.colors.load(this.session, wanted.color, titled(wanted.color)) : Promise.resolve();
    const colored = coloring.then(() => true);
    colored.catch(() => {}); // told of where it is awaited, if the map comes so far
    const drawn = await this.drawMeanwhile(set, other, coloring, signal);
    const hadColors = await this.draw(this.method, { set, view, colored, transition: !other || drawn, signal });
    this.status(null);
    this.tellLayout(set, this.method, isDefault, signal).catch((error) => this.fail(error));
    if (hadColors) return;
    await coloring;
    await this.scatter.paint(this.colors.encoding());
  }

  /** How the map was made and how good it is, which is known only then. */
  async tellLayout(set, method, isKnown, signal) {
    let layout = set.layouts?.find((one) => one.method === method);
    if (!isKnown || !layout?.ready) {
      const sets = await this.session.ask("sets", {}, { signal });
      layout = sets.find(({ id }) => id === set.id)?.layouts.find((one) => one.method === method);
    }
    if (signal.aborted || !layout?.ready) return;
    this.told = toldOf(layout, set.n);
    this.parts.measured.textContent = this.told;
    this.parts.measured.hidden = false;
  }

  showChoices(wanted) {
    this.parts.choices(this.subjects, wanted, this.set, methodsOf(this.set));
  }

  /** While a layout is made that takes long, the quickest is shown; whether it was. */
  async drawMeanwhile(set, other, coloring, signal) {
    const isReady = (wanted) => set.layouts?.find(({ method }) => method === wanted)?.ready;
    if (!other || this.method === QUICK || isReady(this.method) || isReady(QUICK) === undefined) return false;
    await this.draw(QUICK, { set, colored: false, transition: false, signal });
    this.isMeanwhile = true;
    coloring.then(() => this.isMeanwhile && this.scatter.paint(this.colors.encoding())).catch(() => {}); // load tells of it
    return true;
  }

  /** Draws a layout; with its colours, if these are there as soon, which it tells. */
  async draw(method, { set, view, colored, transition, signal }) {
    const { label } = methodsOf(set).find((one) => one.method === method);
    const onWait = (state) => this.status(`${label} of ${set.n.toLocaleString("en")} ${set.id}: ${state.message}`, state.share);
    const { buffer } = await this.session.bytes("map", { method }, { onWait, signal });
    const hadColors = await Promise.race([colored, new Promise((resolve) => setTimeout(resolve, PATIENCE, false))]);
    this.isMeanwhile = false;
    await this.scatter.draw(new Float32Array(buffer), { ...this.colors.encoding(), view, transition });
    if (!performance.getEntriesByName("map-drawn").length) performance.mark("map-drawn");
    this.mark();
    this.labels.look();
    this.nameAreas(method, signal).catch((error) => this.fail(error));
    return hadColors;
  }

  /** Names of groups, which may take longer than the map. */
  async nameAreas(method, signal) {
    if (this.set.n <= FEW) return; // each has its own name
    const [coarse, fine] = await Promise.all([0, 1].map((level) => this.session.ask("labels", { method, level }, { signal })));
    if (!signal.aborted) this.labels.setAreas(coarse, fine);
  }

  async recolor(by) {
    if (!this.scatter.works) return;
    await this.colors.load(this.session, by, titled(by));
    await this.scatter.paint(this.colors.encoding());
    this.mark();
  }

  async showPins(keys) {
    const now = this.pins.pins().map(({ key }) => key);
    if (keys.join("\n") === now.join("\n")) return;
    this.restoring = true;
    try {
      const rows = await Promise.all(keys.map((key) => this.session.rowOf(key)));
      const gone = keys.find((_, i) => rows[i] == null);
      if (gone != null) this.fail(new Error(`There is no “${gone}” in this set; the link may be older than the data.`));
      this.pins.clear();
      for (const row of rows.filter((found) => found != null).reverse()) await this.pins.add(row);
    } finally {
      this.restoring = false;
    }
    this.pinned();
  }

  async showAnalogy({ a, b, c }, before, other) {
    if (!a || !b || !c) {
      if (this.answer || (before.a && !a)) this.closeAnalogy();
      return;
    }
    if (!other && a === before.a && b === before.b && c === before.c) return;
    this.openPanel("analogy");
    await this.analogy.run({ a, b, c });
  }

  // What people do

  async pin(row, { focus = false } = {}) {
    try {
      const added = this.pins.add(row, { focus });
      this.bringIntoView(row);
      await added;
      this.say(`${this.pins.open().label}, pinned`);
    } catch (error) {
      this.fail(error);
    }
  }

  clicked(rows) {
    if (rows.length) this.pin(rows[0]);
  }

  pinned() {
    if (!this.restoring) this.keep({ pin: writeKeys(this.pins.pins().map(({ key }) => key)) }, true);
    this.mark();
    this.panels();
  }

  async search(text, { push = false } = {}) {
    this.parts.search.value = text;
    this.keep({ q: text || null }, push);
    if (!text) {
      this.found.clear();
      this.mark();
      return this.panels();
    }
    try {
      const points = await this.session.find(text, 50);
      this.found.show(points, { heading: points.length ? `${points.length}${points.length === 50 ? " or more" : ""} for “${text}”` : `Nothing for “${text}”`, note: points.length ? null : this.elsewhere() });
      this.foundLabels = points;
      this.say(`${points.length} found`);
      this.mark();
      this.panels();
      if (points.length && push) this.scatter.zoomTo(this.found.rows());
    } catch (error) {
      this.fail(error);
    }
  }

  /** Where else to look for what is not found. */
  elsewhere() {
    const hasMore = this.set.id === "words" && this.subjects[this.where.subject].sets.some(({ id }) => id === "vocabulary");
    return hasMore ? "Rare words are in the larger set under “Show”." : null;
  }

  /** Where a word is looked for in texts, and a text among its like. */
  searchText() {
    return isWords(this.set.id) && this.textSet() ? `Search ${this.textSet()} for it` : "Show its neighbours on the map";
  }

  textSet() {
    return this.subjects[this.where.subject].sets.map(({ id }) => id).find((id) => !isWords(id));
  }

  searchFrom(pin) {
    if (isWords(this.set.id) && this.textSet()) {
      this.app.go("map", { ...this.app.params(), set: this.textSet(), q: pin.label, pin: null, a: null, b: null, c: null, at: null, color: null });
    } else if (pin.neighbors) this.scatter.zoomTo([pin.row, ...pin.neighbors.map(({ row }) => row)]);
  }

  async lassoed(rows) {
    this.scatter.select(rows);
    this.setLasso(false);
    if (!rows.length) this.lasso.clear();
    else {
      try {
        await showLasso(this.lasso, rows, { session: this.session, method: this.method, zoomTo: this.scatter.zoomTo, name: `${this.set.id}.csv` });
        this.say(`${rows.length} selected`);
      } catch (error) {
        this.fail(error);
      }
    }
    this.panels();
  }

  answered(answer, terms, byHand) {
    this.answer = answer;
    this.keep({ a: terms.a, b: terms.b, c: terms.c }, byHand);
    this.mark();
    if (answer && byHand) this.scatter.zoomTo([...answer.terms, answer.answers[0]].filter(Boolean).map(({ row }) => row));
  }

  closeAnalogy() {
    this.answer = null;
    this.analogy.clear();
    this.parts.analogyButton.setAttribute("aria-expanded", "false");
    this.keep({ a: null, b: null, c: null }, true);
    this.mark();
    this.panels();
  }

  setLasso(on) {
    this.scatter.setLasso(on);
    this.parts.lassoButton.setAttribute("aria-pressed", String(on));
  }

  viewed(view, isAll) {
    this.keep({ at: isAll ? null : writeView(view) });
    this.labels.look().catch((error) => this.fail(error));
  }

  // What the map marks

  point(row) {
    this.hovered = row == null ? null : { row, rows: [] };
    this.mark();
  }

  /** Rings, lines and names of what is pinned, found, asked or pointed at. */
  mark() {
    const open = this.pins.open(), near = open?.neighbors ?? [];
    const marks = [], named = [], lines = [];
    const name = (row, text, kind, weight) => text && named.push({ row, text, kind, weight });
    (this.found.rows().length ? this.foundLabels : []).forEach(({ row, label }, i) => { marks.push({ row, kind: "found" }); name(row, label, "near", -i); });
    near.forEach(({ row, label }, i) => { marks.push({ row, kind: "near" }); lines.push({ from: open.row, to: row, kind: "line" }); name(row, label, "near", 1e3 - i); });
    for (const pin of this.pins.pins()) { marks.push({ row: pin.row, kind: "pin" }); name(pin.row, pin.label, "pin", 1); }
    if (this.hovered) {
      marks.push({ row: this.hovered.row, kind: "pin" });
      for (const { row, label } of this.hovered.rows) { marks.push({ row, kind: "near" }); lines.push({ from: this.hovered.row, to: row, kind: "line" }); name(row, label, "near", 1e4); }
    }
    if (this.answer) {
      for (const { row, label } of [...this.answer.terms, ...this.answer.answers.slice(0, 1)]) { marks.push({ row, kind: "pin" }); name(row, label, "pin", 2); }
      lines.push(...arrowsOf(this.answer));
    }
    this.scatter.setMarks(marks);
    this.scatter.setArrows(lines);
    this.labels.setNamed(unique(named));
  }

  bringIntoView(row) {
    const { width, height } = this.scatter.container.getBoundingClientRect();
    const at = this.scatter.screen(row);
    if (!at || (at[0] > 20 && at[1] > 20 && at[0] < width - 20 && at[1] < height - 20)) return;
    const [x, y] = this.scatter.at(row);
    this.scatter.setView({ x, y, zoom: this.scatter.view().zoom }, { transition: true });
  }

  // The page around it

  /** Put changes into the address. */
  keep(changes, push = false) {
    Object.assign(this.shown, changes);
    if (!this.closed) this.app.set(changes, { push });
  }

  choose(changes) {
    const forget = "set" in changes || "subject" in changes || "model" in changes ? { pin: null, q: null, a: null, b: null, c: null, at: null, color: null } : {};
    this.app.set({ ...forget, ...changes, ...("method" in changes ? { at: null } : {}) }, { push: true });
    return this.show(this.app.params());
  }

  openPanel(name) {
    this.parts[name].hidden = false;
    if (name === "analogy") this.parts.analogyButton.setAttribute("aria-expanded", "true");
    this.panels();
  }

  panels() {
    this.parts.side.hidden = [...this.parts.side.querySelectorAll(":scope > section")].every((section) => section.hidden);
  }

  say(text) {
    this.parts.live.textContent = text;
  }

  status(text, share) {
    this.parts.status(text, share);
  }

  fail(error) {
    if (error.name === "AbortError" || this.closed) return;
    if (error.status === 409) return this.reload();
    this.parts.fail(error.message);
  }

  /** The set has changed: ask anew what there is, and show the same. */
  async reload() {
    await this.app.refresh();
    this.subjects = this.app.about.subjects;
    this.where = null;
    await this.show(this.app.params());
    this.say("The data has changed and was loaded again");
  }

  listen() {
    const { parts, scatter } = this;
    parts.onChoice = (changes) => this.choose(changes);
    parts.analogyButton.addEventListener("click", () => {
      if (!parts.analogy.hidden) return this.closeAnalogy();
      this.openPanel("analogy");
      this.analogy.focus();
    });
    parts.lassoButton.addEventListener("click", () => this.setLasso(parts.lassoButton.getAttribute("aria-pressed") !== "true"));
    parts.saveButton.addEventListener("click", () => savePicture(scatter, { legend: this.colors.legend(), about: this.caption() }).catch((error) => this.fail(error)));
    parts.zoomIn.addEventListener("click", () => scatter.zoomBy(1.5));
    parts.zoomOut.addEventListener("click", () => scatter.zoomBy(1 / 1.5));
    parts.zoomAll.addEventListener("click", () => scatter.reset());
    this.endTheme = onTheme(() => { this.colors.redraw(); if (this.set) scatter.paint(this.colors.encoding()); });
    this.onKey = (event) => this.key(event);
    addEventListener("keydown", this.onKey);
  }

  key(event) {
    const typing = event.target.closest?.("input, select, textarea, dialog");
    if (event.key === "/" && !typing) {
      event.preventDefault();
      this.parts.search.focus();
    } else if (event.key === "Escape" && !event.target.closest?.("dialog")) {
      if (this.parts.lassoButton.getAttribute("aria-pressed") === "true") this.setLasso(false);
      else if (this.pins.remove()) this.say("Unpinned");
    }
  }

  caption() {
    const name = this.subjects[this.where.subject].name;
    const { label } = methodsOf(this.set).find(({ method }) => method === this.method);
    return { name, set: this.set, method: this.parts.measured.hidden ? label : this.told, model: this.where.model };
  }

  close() {
    this.closed = true;
    this.isMeanwhile = false;
    this.session?.end();
    removeEventListener("keydown", this.onKey);
    this.loading?.abort();
    this.endTheme();
    this.scatter.close();
  }
}

function methodsOf(set) {
  return set.layouts?.length ? set.layouts : [{ method: "umap", label: "UMAP" }];
}

function unique(named) {
  const best = new Map();
  for (const label of named) {
    const known = best.get(label.row);
    if (!known || label.kind === "pin") best.set(label.row, label);
  }
  return [...best.values()];
}

function titled(field) {
  return capital(field).replaceAll("_", " ");
}

function hasPoints({ sets }) {
  return sets.length > 0;
}

/** A space out of which all was deleted. */
function showNothing(root) {
  fill(root, h("p", { class: "loading", role: "status" }, "There is nothing to show on a map: no document is left. Add some with ", h("code", {}, "rowspace add"), ", and load this page again."));
  return { update() {}, close() {} };
}
