// The page: what there is to look at, and which view of it the address says.
// An address is `#/VIEW?name=value&…`; a view gets the values and sets them, so that every state of
// it can be linked to.

import * as api from "./api.js";
import { fill, h, setCurrent } from "./dom.js";
import { startTheme } from "./theme.js";
import { VIEWS } from "./views.js";

const root = document.getElementById("view");
const links = new Map(); // of the menu, by the view's name
let views = []; // those that there are
let current = null; // { name, view, asked }: `view` is null while it opens, `asked` what it shows then
let shown = null; // the address that is shown

const app = {
  api,
  about: null,
  /** The parameters of the address. */
  params: () => readAddress().params,
  /** Go to a view. */
  go: (name, params = {}) => { location.hash = address(name, params); },
  /** Ask anew what there is to look at. */
  refresh: async () => { app.about = await api.json("about"); },
  /** Change parameters of this view, while it is the one that is shown; null removes one. `push` makes a step that Back undoes. */
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
  document.querySelector(".skip").addEventListener("click", skip);
  try {
    await app.refresh();
  } catch (error) {
    return tell(error);
  }
  const names = app.about.subjects.map((subject) => subject.name).join(" and ");
  Object.assign(document.getElementById("name"), { textContent: names, title: names });
  views = VIEWS.filter((view) => view.isThere(app.about));
  for (const { name, title } of views) links.set(name, h("a", { href: address(name, {}) }, title));
  fill(document.getElementById("views"), ...links.values());
  addEventListener("hashchange", show);
  addEventListener("popstate", show);
  await show();
}

/** The address is the view's, so that a link within the page must not change it. */
function skip(event) {
  event.preventDefault();
  root.focus();
}

async function show() {
  if (location.hash === shown) return;
  if (current) links.get(current.name).href = shown; // the menu leads back to what was left
  shown = location.hash;
  const { name, params } = readAddress();
  const wanted = views.find((view) => view.name === name) ?? views[0];
  for (const [one, link] of links) setCurrent(link, one === wanted.name && "page");
  bringIntoMenu(links.get(wanted.name));
  document.title = `${wanted.title} · ${document.getElementById("name").textContent}`;
  if (current?.name !== wanted.name) {
    current?.view?.close();
    await open(wanted);
  } else if (current.view) await current.view.update(params);
  else current.asked = params;
}

/** A narrow menu scrolls; not by scrollIntoView, after which Tab would go on from there. */
function bringIntoMenu(link) {
  const menu = link.parentElement;
  menu.scrollLeft = link.offsetLeft - menu.offsetLeft - (menu.clientWidth - link.offsetWidth) / 2;
}

/** Open a view in a place of its own; one that is left before it is open is closed as soon as it is. */
async function open(wanted) {
  const mine = (current = { name: wanted.name, view: null, asked: null });
  const place = h("div", {}, h("p", { class: "loading", role: "status" }, "Loading…"));
  fill(root, place);
  try {
    const module = await wanted.load();
    if (current !== mine) return;
    fill(place);
    const set = (...change) => { if (current === mine) app.set(...change); };
    const view = await module.default.open(place, Object.assign(Object.create(app), { set }));
    if (current !== mine) return view.close();
    mine.view = view;
    if (mine.asked) view.update(mine.asked);
  } catch (error) {
    if (current === mine) tell(error);
  }
}

function tell(error) {
  console.warn(error);
  fill(root, h("div", { class: "failed", role: "alert" }, h("p", {}, error.message),
    h("button", { type: "button", onclick: () => location.reload() }, "Try again")));
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
