// The words on the map: names of clusters, names of what is pinned, found or pointed at, and, zoomed in
// so far that there is room, of points themselves.

import { isWords } from "../sets.js";

const CLOSE = 300; // points in view that all have a label where it has room
const FREQUENT = 70; // words that have one before that: the first are the most frequent
const FROM = 2.2; // zoom from which they do
const PARTS = 1.5; // zoom from which small groups have names too

/** `session()` knows the labels of rows; `set()` is one of words where rows are in order of frequency. */
export function createLabels(scatter, session, set) {
  let areas = [], named = [], near = [], asked = 0, parted = false;

  function draw() {
    const rows = new Set(named.map(({ row }) => row));
    const parts = (scatter.view()?.zoom ?? 1) >= PARTS;
    scatter.setLabels([...areas.filter(({ kind }) => parts || kind === "area"), ...named, ...near.filter(({ row }) => !rows.has(row))]);
  }

  /** After the view rests: names of the points that are in it. */
  async function look() {
    const turn = ++asked;
    const view = scatter.view();
    if (!view) return;
    if ((view.zoom >= PARTS) !== parted) {
      parted = view.zoom >= PARTS;
      draw();
    }
    const rows = scatter.inView(CLOSE) ?? (isWords(set()) && view.zoom >= FROM ? scatter.firstInView(FREQUENT) : []);
    const labels = await session().labels(rows);
    if (turn !== asked) return;
    near = rows.map((row, i) => ({ row, text: short(labels.get(row)), weight: -i }));
    draw();
  }

  return {
    look, draw,
    /** Names of large groups, and of small ones, which have room when zoomed in. */
    setAreas(coarse, fine) {
      const area = (part) => ({ text, x, y, n }) => ({ text: short(text, 34), x, y, weight: n + (part ? 0 : 1e9), kind: part ? "part" : "area" });
      areas = [...coarse.map(area(0)), ...fine.map(area(1))];
      draw();
    },
    /** [{ row, text, kind, weight }] of points that matter now. */
    setNamed(labels) {
      named = labels.map((label) => ({ ...label, text: short(label.text) }));
      draw();
    },
    clear() { areas = []; named = []; near = []; draw(); },
  };
}

function short(text, most = 30) {
  return text.length > most ? `${text.slice(0, most - 1).trimEnd()}…` : text;
}
