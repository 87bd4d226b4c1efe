// Senses: a word's occurrences, each with a vector of its own, parted by what it means there.

import { fill, h } from "../dom.js";
import { capital } from "../labels.js";
import { createComparison } from "../senses/comparison.js";
import { createSenseMap } from "../senses/sense_map.js";
import { createSentences } from "../senses/sentences.js";
import { loadStyles } from "../styles.js";

const EVERY = 400; // milliseconds between questions of how far it is
const LINKED = 4000; // characters of one's own sentences that an address can have

export default {
  title: "Senses",
  async open(root, app) {
    await loadStyles("plot", "tokens", "senses");
    return createView(root, app);
  },
};

function createView(root, app) {
  const params = app.params();
  const subjects = app.about.subjects, asked = Number(params.subject ?? -1);
  const subject = subjects[asked]?.has?.senses ? asked : subjects.findIndex((one) => one.has?.senses);
  const hasPassages = subjects[subject].is_space;
  const word = h("input", { type: "search", name: "word", required: true, maxlength: "100", value: params.word ?? "", placeholder: "a word, as bank", autocomplete: "off" });
  const count = h("select", { name: "n" }, h("option", { value: "" }, "as many as stand out"), ...[1, 2, 3, 4, 5, 6, 7, 8].map((n) => h("option", { value: n }, String(n))));
  const hidden = h("input", { type: "checkbox", name: "hidden", checked: params.hidden === "1" });
  const own = h("textarea", { rows: "5", dir: "auto", name: "sentences", placeholder: "One sentence a line", value: params.own ?? "" });
  const said = h("p", { class: "said", role: "status" }), bar = h("progress", { max: "1", value: "0", hidden: true, "aria-label": "How far it is" });
  const stop = h("button", { type: "button", class: "quiet", hidden: true, onclick: () => end() }, "Stop");
  const reason = h("p", { class: "note" }), results = h("div", { class: "sense-results", hidden: true });
  const map = createSenseMap({ onChoose: (row) => choose(row, true), onPoint: (row) => list.choose(row ?? chosen) });
  const list = createSentences({ onChoose: (row) => choose(row) });
  const comparison = createComparison({ params, onChange: (changes) => app.set(changes), ask: (body) => app.api.json(`senses/compare?subject=${subject}`, {}, { body: { ...body, model: params.model } }) });
  let running = null, chosen = null, shown = {};
  count.value = params.n ?? "";
  fill(results, h("div", { class: "sense-left" }, map.element, reason), list.element);
  fill(root, h("div", { class: "page senses" }, h("h1", {}, "A vector for each place a word stands in"),
    h("p", {}, "A transformer reads a word together with its sentence. Occurrences that mean the same lie near each other, and groups that stand out are senses."),
    h("form", { class: "row", role: "search", onsubmit: (event) => { event.preventDefault(); start(true); } }, h("label", {}, "Word", word), h("label", {}, "Senses", count),
      h("label", { class: "inline" }, hidden, "hide the word while reading"), h("button", {}, "Find senses"), stop),
    h("details", { class: "own", open: !hasPassages || Boolean(params.own) }, h("summary", {}, hasPassages ? "Sentences of your own, instead of the space's passages" : "Sentences to look in"), h("label", {}, "Sentences", own)),
    said, bar, results, comparison.element));
  if (canStart()) start();
  return { update, close() { end(); map.close(); comparison.close(); } };

  /** Whether there is a word, and something to look for it in. */
  function canStart() {
    return Boolean(word.value && (hasPassages || own.value.trim()));
  }

  function update(now) {
    comparison.update(now);
    if (["word", "n", "hidden", "own"].every((name) => (now[name] ?? "") === (shown[name] ?? ""))) return;
    word.value = now.word ?? "";
    count.value = now.n ?? "";
    hidden.checked = now.hidden === "1";
    own.value = now.own ?? "";
    if (canStart()) return start();
    end();
    shown = {};
    results.hidden = true;
    settle("");
  }

  async function start(push = false) {
    end();
    const mine = (running = { id: null, control: new AbortController() });
    shown = { word: word.value, n: count.value || null, hidden: hidden.checked ? "1" : null, own: linked(own.value.trim()) };
    app.set(shown, { push });
    tell("Looking for it…", 0);
    try {
      const body = { word: word.value, model: params.model ?? null, sentences: own.value.trim() || null, n_senses: count.value ? Number(count.value) : null, hidden: hidden.checked };
      let state = await app.api.json(`senses?subject=${subject}`, {}, { body, signal: mine.control.signal });
      while (state.state === "computing" && running === mine) {
        mine.id = state.id;
        tell(`${capital(state.message)}…`, state.share);
        await new Promise((go) => setTimeout(go, EVERY));
        if (running === mine) state = await app.api.json(`senses/${state.id}`, {}, { signal: mine.control.signal });
      }
      if (running === mine) finish(state);
    } catch (error) {
      if (error.name !== "AbortError" && running === mine) fail(error.message);
    }
  }

  function finish(state) {
    running = null;
    if (state.state !== "done") return fail(state.message);
    const found = state.result, n = found.senses.length;
    settle(`${n === 1 ? "One sense" : `${n} senses`} in ${found.n_read.toLocaleString("en")} occurrences${found.n_occurrences > found.n_read ? `, an even sample of ${found.n_occurrences.toLocaleString("en")}` : ""}${found.silhouette == null ? "" : `; silhouette ${found.silhouette.toFixed(2)}`}.`);
    reason.textContent = `${found.reason} The map is ${found.map} of the vectors, centered.`;
    results.hidden = false;
    chosen = null;
    map.show(found);
    list.show(found);
  }

  function choose(row, scroll = false) {
    chosen = row;
    map.choose(row);
    list.choose(row, { scroll });
  }

  /** Leave what is being found, and let the server leave it too. */
  function end() {
    const left = running;
    running = null;
    if (!left) return;
    left.control.abort();
    if (left.id) app.api.json(`senses/${left.id}/stop`, {}, { body: {} }).catch(() => {});
    settle("Stopped.");
  }

  function tell(message, share) {
    said.className = "said";
    said.textContent = message;
    bar.value = share;
    bar.hidden = stop.hidden = false;
  }

  function settle(message) {
    said.className = "said";
    said.textContent = message;
    bar.hidden = stop.hidden = true;
  }

  function fail(message) {
    running = null;
    settle(message);
    said.className = "said failed-line";
  }
}

/** Sentences as the address has them; null where they are none, or too many. */
function linked(sentences) {
  return sentences && sentences.length <= LINKED ? sentences : null;
}
