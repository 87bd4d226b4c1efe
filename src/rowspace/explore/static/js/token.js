// Asks for the server's token, in a dialog.

import { h } from "./dom.js";

/** What was typed, or null. */
export function askForToken() {
  return new Promise((resolve) => {
    const input = h("input", { type: "password", name: "token", autocomplete: "off", required: true });
    const dialog = h("dialog", { "aria-labelledby": "token-title" },
      h("form", { method: "dialog" },
        h("h2", { id: "token-title" }, "This server wants its token"),
        h("label", {}, "Token", input),
        h("div", { class: "row" }, h("button", { value: "yes" }, "Go on"))));
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(dialog.returnValue === "yes" && input.value ? input.value.trim() : null);
    });
    document.body.append(dialog);
    dialog.showModal();
  });
}
