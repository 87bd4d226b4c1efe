// The training: words move from where chance put them to where they end, under a slider. The way of one
// word, its neighbours at a step against those at the end, and the loss.

import { fill, h } from "../dom.js";
import { createCombobox } from "../map/combobox.js";
import { categoryColors } from "../map/palette.js";
import { createScatter } from "../scatter.js";
import { loadStyles } from "../styles.js";
import { onTheme } from "../theme.js";
import { createLossPlot, epochs } from "../training/loss.js";
import { createNeighborTable } from "../training/neighbors.js";
import { createPlaces } from "../training/places.js";
import { createPlayer } from "../training/player.js";
import { layoutOf } from "../training/shell.js";

const LABELLED = 160;

export default {
  async open(root, app) {
    await loadStyles("map", "training");
    let view = new TrainingView(root, app);
    view.open();
    return { update, close: () => view.close() };

    function update(params) {
      if (view.isOf(params)) return view.show(params);
      view.close();
      view = new TrainingView(root, app);
      return view.open();
    }
  },
};

class TrainingView {
  constructor(root, app) {
    this.app = app;
    this.subject = subjectOf(app, app.params());
    this.model = app.params().model ?? "";
    this.place = 0;
    this.row = null;
    this.leaving = new AbortController();
    this.parts = layoutOf(root);
    this.chooseSubject();
    this.scatter = createScatter(this.parts.frame, {
      label: "Words during training", fit: true, onHover: (row) => this.hover(row), onSelect: ([row]) => row != null && this.choose(row),
    });
  }

  isOf(params) {
    return subjectOf(this.app, params) === this.subject && (params.model ?? "") === this.model;
  }

  /** Where more than one has a history, which of them. */
  chooseSubject() {
    const trained = this.app.about.subjects.map(({ name, has }, i) => ({ name, i, has })).filter(({ has }) => has?.training);
    this.parts.of.hidden = trained.length < 2;
    fill(this.parts.subject, ...trained.map(({ name, i }) => h("option", { value: i, selected: i === this.subject }, name)));
    this.parts.subject.addEventListener("change", () => this.app.go("training", { subject: this.parts.subject.value }));
  }

  where(more = {}) {
    return { subject: this.subject, model: this.model, ...more };
  }

  async open() {
    try {
      await this.load();
      await this.show(this.app.params());
    } catch (error) {
      this.progress(null);
      this.fail(error);
    }
  }

  async load() {
    const { api } = this.app, { parts } = this;
    const signal = this.leaving.signal;
    this.about = await api.json("training", this.where(), { signal });
    const { words, steps } = this.about;
    this.index = new Map(words.map((word, row) => [word, row]));
    this.last = steps.length - 1;
    parts.slider.max = String(this.last);
    this.loss = createLossPlot(parts.loss, steps);
    this.table = createNeighborTable(parts.word, {
      ask: (word, step) => api.json("training/neighbors", this.where({ word, step })),
      onGo: (row) => this.choose(row), onError: (error) => this.fail(error),
    });
    const { buffer } = await api.binary("training/places", this.where(), { signal, onWait: (state) => this.progress(state) });
    this.progress(null);
    this.places = createPlaces(new Float32Array(buffer), words.length);
    this.frame = this.places.at(this.last).slice();
    this.groups = await api.json("training/groups", this.where(), { signal });
    parts.play.disabled = parts.slider.disabled = parts.search.disabled = false;
    this.player = createPlayer({ last: this.last, onMove: (place) => this.moveTo(place), onStop: () => this.stopped() });
    this.describe();
    this.listen();
  }

  /** Show what an address says. */
  async show(params) {
    if (!this.player) return; // shown when it is loaded
    this.parts.wrong.hidden = true;
    this.player.stop({ quiet: true });
    this.buttons();
    const step = params.step == null ? this.last : Number(params.step);
    this.row = this.index.get(params.word) ?? null;
    if (params.word && this.row == null) this.fail(new Error(`“${params.word}” is not among the ${this.about.words.length.toLocaleString("en")} words that were followed.`));
    this.parts.search.value = this.row == null ? "" : params.word;
    await this.moveTo(Number.isFinite(step) ? Math.min(Math.max(step, 0), this.last) : this.last);
    this.settle();
  }

  /** Draw a place between two steps. Where the last drawing is not done, the newest place follows it. */
  async moveTo(place) {
    this.place = place;
    const { parts } = this;
    parts.slider.value = String(place);
    this.tell();
    this.loss.mark(place);
    if (this.drawing) return;
    this.drawing = true;
    try {
      let drawn = null;
      while (drawn !== this.place && !this.closed) {
        drawn = this.place;
        await this.scatter.draw(this.places.at(drawn).slice(), { ...this.encoding(), frame: this.frame });
        this.annotate();
      }
    } finally {
      this.drawing = false;
    }
  }

  encoding() {
    this.colors ??= categoryColors(this.groups.names);
    return { codes: this.groups.groups, colors: this.colors };
  }

  annotate() {
    if (this.closed) return;
    const { words } = this.about;
    const labels = words.slice(0, LABELLED).map((text, row) => ({ row, text, weight: -row, kind: "" }));
    const marks = [], named = [];
    if (this.row != null) { marks.push({ row: this.row, kind: "pin" }); named.push(this.row); }
    if (this.hovered != null && this.hovered !== this.row) { marks.push({ row: this.hovered, kind: "found" }); named.push(this.hovered); }
    const shown = labels.filter(({ row }) => !named.includes(row));
    this.scatter.setLabels([...named.map((row) => ({ row, text: words[row], weight: 1e6, kind: "pin" })), ...shown]);
    this.scatter.setMarks(marks);
    this.scatter.setArrows(this.row == null ? [] : this.places.trail(this.row, this.place));
  }

  /** What follows when the slider rests. */
  settle() {
    const step = Math.round(this.place);
    if (this.row == null) this.table.clear();
    else this.table.show(this.about.words[this.row], step, step === this.last ? null : step === 0 ? "Before training" : `After ${epochs(this.about.steps[step].epoch)}`);
    this.app.set({ step: step === this.last ? null : step, word: this.row == null ? null : this.about.words[this.row] });
  }

  tell() {
    const step = Math.round(this.place), { share, epoch, n_read: read, loss, learning_rate: rate } = this.about.steps[step];
    const text = step === 0 ? "Before training" : `${epochs(epoch)} · ${Math.round(100 * share)}% · ${compact(read)} ${this.about.unit}`;
    const more = loss == null ? "" : ` · loss ${loss.toPrecision(3)} · rate ${rate.toPrecision(2)}`;
    this.parts.told.textContent = text + more;
    this.parts.slider.setAttribute("aria-valuetext", text);
  }

  choose(row) {
    this.row = row;
    this.parts.search.value = this.about.words[row];
    this.parts.live.textContent = `${this.about.words[row]} is followed`;
    this.parts.wrong.hidden = true;
    this.annotate();
    this.settle();
  }

  hover(row) {
    this.hovered = row;
    if (!this.player?.playing()) this.annotate();
  }

  stopped() {
    this.buttons();
    this.moveTo(Math.round(this.place));
    this.settle();
  }

  buttons() {
    this.parts.play.textContent = this.player.playing() ? "Pause" : "Play";
  }

  listen() {
    const { parts, player } = this;
    parts.play.addEventListener("click", () => {
      if (player.playing()) return player.stop();
      player.play(this.place);
      this.buttons();
    });
    parts.slider.addEventListener("input", () => { player.stop({ quiet: true }); this.buttons(); this.moveTo(Number(parts.slider.value)); });
    parts.slider.addEventListener("change", () => this.stopped());
    parts.slider.addEventListener("keydown", (event) => this.key(event));
    const suggest = async (text) => this.suggested(text.toLowerCase()).map((row) => ({ row, label: this.about.words[row] }));
    const box = createCombobox({ input: parts.search, suggest, onTake: ({ row }) => this.choose(row), onEnter: (text) => this.search(text) });
    parts.searchField.append(box.list);
    this.endTheme = onTheme(() => { this.colors = null; this.describe(); if (!this.drawing) this.scatter.paint(this.encoding()); });
  }

  /** Whole steps by the keys, whatever the slider's own would be. */
  key(event) {
    const by = { ArrowRight: 1, ArrowUp: 1, PageUp: 5, ArrowLeft: -1, ArrowDown: -1, PageDown: -5 }[event.key];
    const to = event.key === "Home" ? 0 : event.key === "End" ? this.last : by ? Math.round(this.place) + by : null;
    if (to == null) return;
    event.preventDefault();
    this.player.stop({ quiet: true });
    this.buttons();
    this.moveTo(Math.min(Math.max(to, 0), this.last));
    this.settle();
  }

  suggested(text) {
    const { words } = this.about, starts = [], holds = [];
    words.forEach((word, row) => {
      const at = word.toLowerCase().indexOf(text);
      if (at === 0) starts.push(row);
      else if (at > 0) holds.push(row);
    });
    return [...starts, ...holds].slice(0, 10);
  }

  search(text) {
    if (!text) { this.row = null; this.annotate(); return this.settle(); }
    const row = this.index.get(text) ?? this.index.get(text.toLowerCase());
    if (row != null) return this.choose(row);
    this.fail(new Error(`“${text}” is not among the ${this.about.words.length.toLocaleString("en")} words that were followed.`));
  }

  describe() {
    const colors = (this.colors = categoryColors(this.groups.names));
    for (const part of this.parts.later) part.hidden = false;
    fill(this.parts.groups, ...this.groups.names.map((name, i) => h("li", {}, h("span", { class: "dot", style: { background: colors[i] } }), name)));
    const { words, steps, dim } = this.about;
    this.parts.how.textContent = `${words.length.toLocaleString("en")} frequent words at ${steps.length} moments of training. The end is laid out by ${this.groups.method} of their ${dim} dimensions. At each moment a word stands amid the places that its ${Math.min(this.groups.k, words.length - 1)} nearest words of that moment have in that layout. So chance holds it near the centre before training, and it comes to its group as it finds its neighbours.`;
  }

  progress(state) {
    const { progress } = this.parts;
    progress.hidden = state == null;
    if (state != null) fill(progress, h("p", {}, `${state.message} …`), h("progress", { max: 1, value: state.share, "aria-label": state.message }));
  }

  fail(error) {
    if (error.name === "AbortError" || this.closed) return;
    this.parts.wrong.hidden = false;
    this.parts.wrong.textContent = error.message;
  }

  close() {
    this.closed = true;
    this.leaving.abort();
    this.player?.stop({ quiet: true });
    this.endTheme?.();
    this.scatter.close();
  }
}

/** The number of the subject that parameters mean, where they are left out the first that has a history. */
function subjectOf(app, params) {
  const { subjects } = app.about, asked = Number(params.subject ?? -1);
  return subjects[asked]?.has?.training ? asked : subjects.findIndex((one) => one.has?.training);
}

function compact(number) {
  return number.toLocaleString("en", { notation: "compact", maximumFractionDigits: 1 });
}
