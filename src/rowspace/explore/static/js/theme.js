// Light, dark, or as the system has it; kept in this browser.

const KEY = "rowspace-theme";
const NAMES = { system: "Auto", light: "Light", dark: "Dark" };
const NEXT = { system: "light", light: "dark", dark: "system" };
const system = matchMedia("(prefers-color-scheme: dark)");
const listeners = new Set();

/** Wire the button, and take up what was chosen before. */
export function startTheme(button) {
  const show = (theme) => {
    document.documentElement.dataset.theme = theme;
    button.textContent = NAMES[theme];
    button.setAttribute("aria-label", `${NAMES[theme]} colours; change`);
    button.title = theme === "system" ? "Light or dark as the system is" : `Always ${theme}`;
    for (const listener of listeners) listener();
  };
  button.addEventListener("click", () => {
    const theme = NEXT[document.documentElement.dataset.theme];
    localStorage.setItem(KEY, theme);
    show(theme);
  });
  system.addEventListener("change", () => show(document.documentElement.dataset.theme));
  show(localStorage.getItem(KEY) in NEXT ? localStorage.getItem(KEY) : "system");
}

/** Call `listener` when the colours change; returns what ends that. */
export function onTheme(listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** A colour of css/base.css, as "#rrggbb": color("--ink"). */
export function color(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

/** The colours of categories, in order. */
export function palette() {
  return Array.from({ length: 12 }, (_, i) => color(`--c${i}`));
}
