// Analogies by arithmetic, a − b + c: three boxes, and the answers. The map shows the parallelogram.

import { fill, h } from "../dom.js";
import { createCombobox } from "./combobox.js";
import { pointList } from "./list.js";

/** `onAsk({ a, b, c })` when asked, `onAnswer(answer | null)` with { terms, answers }. */
export function createAnalogy(root, { session, onGo, onPoint, onAnswer, onClose, say }) {
  const boxes = Object.fromEntries(["a", "b", "c"].map((name) => [name, h("input", { type: "text", name, required: true })]));
  const boxed = Object.entries(boxes).map(([name, input]) => {
    const next = { a: boxes.b, b: boxes.c }[name];
    const { list } = createCombobox({
      input,
      suggest: (text, signal) => session().find(text, 8, { signal }),
      onTake: (point) => { input.value = point.label; next ? next.focus() : ask(); },
      onEnter: () => ask(),
    });
    return { name, field: h("label", { class: "term" }, h("span", { class: "visually-hidden" }, { a: "first term", b: "minus", c: "plus" }[name]), input, list) };
  });
  const by = Object.fromEntries(boxed.map(({ name, field }) => [name, field]));
  const answers = h("div", { "aria-live": "polite" });
  const wrong = h("p", { class: "wrong", role: "alert", hidden: true });
  fill(root,
    h("header", {}, h("h2", {}, "Analogy"), h("button", { type: "button", class: "cross", "aria-label": "Close analogy", onclick: onClose }, "×")),
    h("form", { class: "sum", onsubmit: (event) => { event.preventDefault(); ask(); } },
      by.a, h("span", { class: "sign", "aria-hidden": "true" }, "−"), by.b, h("span", { class: "sign", "aria-hidden": "true" }, "+"), by.c,
      h("button", {}, "Answer")),
    h("p", { class: "note" }, "As king − man + woman: what is to the third as the first is to the second."),
    wrong, answers);

  async function ask() {
    const terms = Object.fromEntries(Object.entries(boxes).map(([name, input]) => [name, input.value.trim()]));
    const empty = Object.keys(terms).find((name) => !terms[name]);
    if (empty) return boxes[empty].focus();
    await run(terms, true);
  }

  async function run(terms, byHand = false) {
    for (const [name, input] of Object.entries(boxes)) input.value = terms[name];
    wrong.hidden = true;
    try {
      const answer = await session().analogy(terms.a, terms.b, terms.c);
      fill(answers, h("h3", {}, "Answers"), answer.answers.length
        ? pointList(answer.answers, onGo, { label: "Answers of the analogy", onHover: onPoint })
        : h("p", { class: "note" }, "None: the sum has no direction, or there is nothing else."));
      say(`${terms.a} minus ${terms.b} plus ${terms.c}: ${answer.answers[0]?.label ?? "no answer"}`);
      onAnswer(answer, terms, byHand);
    } catch (error) {
      fill(answers);
      wrong.textContent = error.message;
      wrong.hidden = false;
      onAnswer(null, terms, byHand);
    }
  }

  return {
    run,
    open() { root.hidden = false; },
    focus: () => boxes.a.focus(),
    clear() {
      root.hidden = true;
      wrong.hidden = true;
      for (const input of Object.values(boxes)) input.value = "";
      fill(answers);
    },
  };
}

/** The arrows of an answer: from b to a, and from c to what answers, which lie side by side. */
export function arrowsOf({ terms: [a, b, c], answers }) {
  const best = answers[0];
  return best ? [{ from: b.row, to: a.row }, { from: c.row, to: best.row }] : [];
}
