// What a map is of, and how the server is asked about it.

import { isWords } from "../sets.js";

/** Questions about the points of a set; `where()` gives { subject, set, model, fingerprint }. */
export function createSession(api, where) {
  const known = new Map(); // row -> label, for as long as the set is the same
  const ended = new AbortController();
  const untilEnd = ({ signal, ...options } = {}) => ({ ...options, signal: signal ? AbortSignal.any([signal, ended.signal]) : ended.signal });

  async function ask(path, params = {}, options = {}) {
    for (;;) { // what takes long is made elsewhere and answered later
      const answer = await api.json(path, { ...where(), ...params }, untilEnd(options));
      if (answer?.state !== "computing") return answer;
      await api.pause(700, ended.signal);
    }
  }

  const session = {
    ask,
    bytes: (path, params, options) => api.binary(path, { ...where(), ...params }, untilEnd(options)),
    find: (q, k, options) => remembered(ask("find", { q, k }, options)),
    neighbors: (row, k, options) => remembered(ask("neighbors", { row, k }, options)),
    /** a - b + c of words, or of the texts that each term finds first. */
    async analogy(a, b, c, k = 10) {
      if (isWords(where().set)) return ask("analogy", { a, b, c, k });
      const [first, second, third] = await Promise.all([a, b, c].map(rowFor));
      return ask("analogy", { a: first, b: second, c: third, k });
    },
    details: async (rows) => (rows.length ? api.json("points", {}, { body: { ...given(), rows } }) : []),
    export: (rows, method, name) => api.download("export", { ...given(), rows, method }, name),
    /** Labels of rows, by row. */
    async labels(rows) {
      const unknown = rows.filter((row) => !known.has(row));
      for (let start = 0; start < unknown.length; start += 1000) {
        await remembered(session.details(unknown.slice(start, start + 1000)));
      }
      return new Map(rows.map((row) => [row, known.get(row)]));
    },
    /** The row of a key that an address names, or null. */
    async rowOf(key) {
      const [first] = await session.find(key, 1);
      if (!first) return null;
      const [details] = await session.details([first.row]);
      return keyOf(details) === key ? first.row : null;
    },
    /** What is still asked is asked no longer. */
    end: () => ended.abort(),
  };

  async function rowFor(term) {
    const [found] = await session.find(term, 1);
    if (!found) throw new Error(`Nothing is found for “${term}”; search for it to see what there is.`);
    return found.row;
  }

  async function remembered(answer) {
    const points = await answer;
    for (const { row, label } of points) known.set(row, label);
    return points;
  }

  function given() {
    return Object.fromEntries(Object.entries(where()).filter(([, value]) => value != null && value !== ""));
  }

  return session;
}

/** What names a point for good: rows change when a space grows. */
export function keyOf(details) {
  if (details.passages != null && details.document_id != null) return details.document_id;
  return details.passage_id ?? details.document_id ?? details.label;
}
