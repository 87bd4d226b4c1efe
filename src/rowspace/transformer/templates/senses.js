"use strict";
(() => {
  const sentences = JSON.parse(document.getElementById("dots").textContent);
  const figure = document.getElementById("map-figure");
  const said = document.getElementById("map-said");
  const dots = [...figure.querySelectorAll(".w")];
  let current = -1;

  function clear() {
    figure.classList.remove("lit");
    for (const dot of figure.querySelectorAll(".on")) dot.classList.remove("on");
  }
  function show(i) {
    clear();
    current = i;
    figure.classList.add("lit");
    dots[i].classList.add("on");
    const [before, word, after] = sentences[i];
    const mark = document.createElement("b");
    mark.textContent = word;
    said.replaceChildren(before, mark, after);
  }
  figure.addEventListener("pointerover", (event) => {
    const dot = event.target.closest(".w");
    if (dot) show(Number(dot.dataset.i)); else clear();
  });
  figure.addEventListener("pointerleave", clear);
  figure.addEventListener("blur", clear);
  figure.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (event.key === "Escape") clear();
    if (!step || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    show(current < 0 ? 0 : (current + step + dots.length) % dots.length);
  });
})();
