// The page: what there is to look at, and which view of it the address says.
// An address is `#/VIEW?name=value&…`; a view gets the values and sets them, so that every state of
// it can be linked to.

import * as api from "./api.js";
import { fill, h } from "./dom.js";
import { startTheme } from "./theme.js";
import { VIEWS } from "./views.js";

const root = document.getElementById("view");
let current = null; // { name, view }

const app = {
  api,
  about: null,
  /** The parameters of the address. */
  params: () => readAddress().params,
  /** Go to a view. */
  go: (name, params = {}) => { location.hash = address(name, params); },
  /** Change parameters of this view; null removes one. `push` makes a step that Back undoes. */
  set: (changes, { push = false } = {}) => {
    const { name, params } = readAddress();
    const hash = address(name, { ...params, ...changes });
    if (hash === location.hash) return;
    history[push ? "pushState" : "replaceState"](null, "", hash);
    shown = hash; // the view knows it already
  },
};

start();

async function start() {
  startTheme(document.getElementById("theme"));
  try {
    app.about = await api.json("about");
  } catch (error) {
    return tell(error);
  }
  const names = app.about.subjects.map((subject) => subject.name).join(" and ");
  document.getElementById("name").textContent = names;
  addEventListener("hashchange", show);
  addEventListener("popstate", show);
  await show();
}

let shown = null;

async function show() {
  if (location.hash === shown) return;
  shown = location.hash;
  const { name, params } = readAddress();
  const known = VIEWS.filter((view) => view.isThere(app.about));
  const wanted = known.find((view) => view.name === name) ?? known[0];
  drawNav(known, wanted);
  document.title = `${wanted.title} · ${document.getElementById("name").textContent}`;
  if (current?.name === wanted.name) return current.view.update(params);
  current?.view.close();
  current = null;
  fill(root, h("p", { class: "loading", role: "status" }, "Loading…"));
  try {
    const module = await wanted.load();
    fill(root);
    current = { name: wanted.name, view: await module.default.open(root, app) };
  } catch (error) {
    tell(error);
  }
}

function drawNav(views, wanted) {
  const links = views.map((view) =>
    h("a", { href: `#/${view.name}`, "aria-current": view === wanted ? "page" : null }, view.title));
  fill(document.getElementById("views"), ...links);
}

function tell(error) {
  console.warn(error);
  fill(root, h("p", { class: "failed", role: "alert" }, error.message));
}

function readAddress() {
  const [path, query = ""] = location.hash.replace(/^#\/?/, "").split("?");
  return { name: path || "map", params: Object.fromEntries(new URLSearchParams(query)) };
}

function address(name, params) {
  const kept = Object.entries(params).filter(([, value]) => value != null && value !== "");
  const query = new URLSearchParams(kept).toString();
  return `#/${name}${query ? `?${query}` : ""}`;
}
