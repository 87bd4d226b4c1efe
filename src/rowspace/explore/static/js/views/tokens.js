// Tokens: what a text becomes, id by id, and the rows of the table that the ids pick.

import { debounced, fill, h } from "../dom.js";
import { createHeat, limitOf } from "../plot/heat.js";
import { loadStyles } from "../styles.js";
import { onTheme } from "../theme.js";
import { createChips } from "../tokens/chips.js";
import { createRowPanel } from "../tokens/row_panel.js";

const EXAMPLE = "River banks were unbelievably quiet 🙂";
const LONGEST_LINK = 1500; // characters of a text that an address can hold

export default {
  title: "Tokens",
  async open(root, app) {
    await loadStyles("plot", "tokens");
    const view = createView(root, app);
    view.update(app.params());
    return view;
  },
};

function createView(root, app) {
  const text = h("textarea", { id: "tokens-text", rows: "3", spellcheck: "false", dir: "auto", oninput: debounced(changed, 220) });
  const subject = h("select", { onchange: changed }), model = h("select", { onchange: changed }), prompt = h("select", { onchange: changed });
  const choices = h("div", { class: "row" });
  const counts = h("dl", { class: "counts" }), said = h("p", { class: "note", role: "status" });
  const panel = createRowPanel({ onRow: (one) => showRow({ row: one.row }) });
  const chips = createChips({ onPoint: point, onChoose: choose });
  const picture = createHeat({ title: "The rows that are picked, stacked", cell: 15, data: () => answer?.picture && pictureOf(answer), onRow: (row) => point(row == null ? null : answer.picture.places[row]) });
  const rows = new Map();
  let answer = null, request = null, asked = 0, chosen = null;
  fill(root, h("div", { class: "page tokens" },
    h("h1", {}, "From text to rows"),
    h("p", {}, "An embedding layer is a matrix and a lookup. The text is cut into tokens, each token has an id, and the id picks a row: that is all a model ever sees of a word."),
    h("label", { for: "tokens-text" }, "Text"), text, choices, said,
    h("div", { class: "columns" }, h("div", { class: "left" }, counts, chips.element, h("p", { class: "note legend-line" }), picture.element), panel.element)));
  subject.replaceChildren(...app.about.subjects.map((one, i) => h("option", { value: i }, one.name)));
  const endTheme = onTheme(() => panel.repaint());

  async function update(params) {
    text.value = params.text ?? (text.value || EXAMPLE);
    subject.value = params.subject ?? "0";
    await ask({ model: params.model, prompt: params.prompt, place: params.place });
  }

  function changed() {
    const isShort = text.value.length <= LONGEST_LINK;
    app.set({ text: isShort ? text.value : null, subject: subject.value === "0" ? null : subject.value, model: model.value || null, prompt: prompt.value || null, place: null });
    ask({ model: model.value, prompt: prompt.value });
  }

  async function ask({ model: name, prompt: before, place }) {
    request?.abort();
    request = new AbortController();
    rows.clear();
    try {
      const body = { text: text.value, model: name || null, prompt: before || null };
      answer = await app.api.json(`tokens?subject=${subject.value || 0}`, {}, { body, signal: request.signal });
    } catch (error) {
      if (error.name !== "AbortError") { said.className = "failed-line"; said.textContent = error.message; }
      return;
    }
    draw();
    const first = answer.tokens.findIndex((token) => token.is_read && token.part === "text");
    const at = place == null ? first : Number(place);
    chosen = answer.tokens[at] ? at : null;
    if (chosen != null) { chips.choose(at, { quiet: true }); showToken(at); } else panel.tell("Type a text: the row that a token picks is shown here.");
  }

  function draw() {
    const left = answer.n_tokens - answer.tokens.length;
    const isLong = text.value.length > LONGEST_LINK;
    said.className = "note";
    said.textContent = [left > 0 ? `The first ${answer.tokens.length.toLocaleString("en")} tokens are shown, and ${left.toLocaleString("en")} are not.` : "", isLong ? "The text is too long for the address, so a link shows none." : ""].filter(Boolean).join(" ");
    drawChoices();
    fill(counts, ...countsOf(answer));
    chips.draw(answer.tokens, answer.max_length);
    picture.element.hidden = !answer.picture;
    if (answer.picture) picture.redraw();
    root.querySelector(".legend-line").textContent = legendOf(answer);
  }

  function drawChoices() {
    fill(model, ...answer.models.map((name) => h("option", { value: name }, name)));
    model.value = answer.model;
    fill(prompt, h("option", { value: "" }, "none"), ...Object.entries(answer.prompts).map(([name, words]) => h("option", { value: name }, `${name}: “${words.trim()}”`)));
    prompt.value = answer.prompt_name ?? "";
    fill(choices, app.about.subjects.length > 1 ? h("label", {}, "Look at", subject) : null, answer.models.length > 1 ? h("label", {}, "Model", model) : null,
      Object.keys(answer.prompts).length ? h("label", {}, "Prompt before the text", prompt) : null);
  }

  /** Show what the pointer is on; what was chosen when it leaves. */
  function point(place) {
    const shown = place ?? chosen;
    if (shown != null) showToken(shown);
  }

  function choose(place) {
    chosen = place;
    app.set({ place });
    showToken(place);
  }

  function showToken(place) {
    const token = answer.tokens[place];
    if (!token) return;
    if (token.row == null && !token.n_ngrams) {
      asked++;
      panel.tell(`“${token.text}” is not in the vocabulary, so it picks no row, and the model does not see it.`);
    } else showRow(token.row == null ? { word: token.key } : { row: token.row });
  }

  async function showRow(which) {
    const number = ++asked;
    const key = JSON.stringify(which);
    try {
      if (!rows.has(key)) rows.set(key, app.api.json("tokens/row", { ...which, model: answer.model, subject: subject.value }));
      const row = await rows.get(key);
      if (number === asked) panel.show(row);
    } catch (error) {
      rows.delete(key);
      if (number === asked) panel.tell(error.message);
    }
  }

  return { update, close() { request?.abort(); picture.close(); endTheme(); } };
}

function countsOf(answer) {
  const facts = [["characters", answer.n_characters], ["words", answer.n_words], ["tokens", answer.n_text]];
  if (answer.kind === "subwords") {
    if (answer.tokens_per_word != null) facts.push(["tokens a word", answer.tokens_per_word.toFixed(2)]);
    facts.push(["ids that the model reads", answer.max_length ? `${answer.n_read.toLocaleString("en")} of ${answer.max_length.toLocaleString("en")} at most` : answer.n_read]);
  } else facts.push(["without a row", answer.n_without_row]);
  facts.push(["the table", answer.dim ? `${answer.n_rows.toLocaleString("en")} × ${answer.dim}` : `${answer.n_rows.toLocaleString("en")} rows`]);
  return facts.map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, typeof value === "number" ? value.toLocaleString("en") : value)));
}

function legendOf(answer) {
  if (answer.kind === "words") return "Each colour is a word. A dashed red word is not in the vocabulary: it picks no row.";
  return "Each colour is a word, cut into the pieces that the vocabulary has; ␣ is a space. Dashed tokens are put there by the tokenizer.";
}

function pictureOf(answer) {
  const { places, values, dim } = answer.picture;
  return {
    values, limit: limitOf(values.flat()),
    rows: { label: "token", names: places.map((place) => answer.tokens[place]?.text ?? "…") },
    columns: { label: values[0].length < dim ? `the first ${values[0].length} of ${dim} numbers` : "number" },
  };
}
