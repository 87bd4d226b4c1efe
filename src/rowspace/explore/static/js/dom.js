// Elements without markup: text always goes through textContent, so that no word of a text or a
// document can become part of the page.

/** An element: h("button", { class: "quiet", onclick: go }, "Go"). */
export function h(tag, props = {}, ...children) {
  const element = document.createElement(tag);
  return filled(element, props, children);
}

/** The same for drawings: svg("path", { d: "M0 0" }). */
export function svg(tag, props = {}, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  return filled(element, props, children);
}

/** Says of an element that it is the one among its like, as "page" or "true"; null: that it is not. */
export function setCurrent(element, value) {
  if (value) element.setAttribute("aria-current", value);
  else element.removeAttribute("aria-current");
}

/** Put other children in an element. */
export function fill(element, ...children) {
  element.replaceChildren(...children.flat(Infinity).filter((child) => child != null && child !== false));
  return element;
}

function filled(element, props, children) {
  for (const [name, value] of Object.entries(props)) {
    if (value == null || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "style") setStyle(element, value);
    else if (name in element && !(element instanceof SVGElement) && name !== "list") setProperty(element, name, value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  return fill(element, ...children);
}

function setProperty(element, name, value) {
  if (typeof element[name] === "boolean" || name === "value" || name === "textContent") element[name] = value;
  else element.setAttribute(name, value === true ? "" : value);
}

function setStyle(element, styles) {
  for (const [name, value] of Object.entries(styles)) {
    if (name.startsWith("--")) element.style.setProperty(name, value);
    else element.style[name] = value;
  }
}

/** Calls `act` when no call has come for that many milliseconds. */
export function debounced(act, milliseconds = 180) {
  let timer = 0;
  return (...args) => {
    clearTimeout(timer);
    timer = setTimeout(() => act(...args), milliseconds);
  };
}
