// A view's own style sheets, loaded once, before it is drawn.

const loading = new Map();

/** Wait for css/NAME.css of each name. */
export function loadStyles(...names) {
  return Promise.all(names.map((name) => {
    if (!loading.has(name)) loading.set(name, load(name));
    return loading.get(name);
  }));
}

function load(name) {
  return new Promise((resolve) => {
    const link = document.createElement("link");
    link.rel = "stylesheet";
    link.href = `css/${name}.css`;
    link.addEventListener("load", resolve);
    link.addEventListener("error", resolve); // a page without its style still reads
    document.head.append(link);
  });
}
