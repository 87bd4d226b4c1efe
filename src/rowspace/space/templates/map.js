"use strict";
(() => {
  const words = JSON.parse(document.getElementById("map-data").textContent);
  const figure = document.getElementById("map-figure");
  const said = document.getElementById("map-said");
  const links = figure.querySelector(".links");
  const groups = [...figure.querySelectorAll(".w")];
  let current = -1;
  figure.scrollLeft = (figure.scrollWidth - figure.clientWidth) / 2;

  function clear() {
    figure.classList.remove("lit");
    for (const group of figure.querySelectorAll(".on, .near")) group.classList.remove("on", "near");
    for (const text of figure.querySelectorAll(".shown")) text.classList.remove("shown");
    links.setAttribute("d", "");
  }
  function showLabels(lit) {  // of the lit words, as far as they leave each other room
    const texts = lit.map((j) => groups[j].querySelector("text"));
    const boxes = texts.slice(1).filter((t) => !t.classList.contains("hidden")).map((t) => t.getBoundingClientRect());
    for (const text of texts) {
      text.classList.add("shown");
      const a = text.getBoundingClientRect();
      const isOwn = !text.classList.contains("hidden");
      if (isOwn || !boxes.some((b) => a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom)) boxes.push(a);
      else if (text !== texts[0]) text.classList.remove("shown");
    }
  }
  function show(i) {
    clear();
    current = i;
    const word = words[i];
    figure.classList.add("lit");
    groups[i].classList.add("on");
    for (const [j] of word.n) groups[j].classList.add("near");
    showLabels([i, ...word.n.map(([j]) => j)]);
    links.setAttribute("d", word.n.map(([j]) => `M${word.x} ${word.y}L${words[j].x} ${words[j].y}`).join(""));
    const name = document.createElement("b");
    name.textContent = word.w;
    said.replaceChildren(name, " is nearest to " + word.n.map(([j, cosine]) => `${words[j].w} ${cosine.toFixed(2)}`).join(", "));
  }
  figure.addEventListener("pointerover", (event) => {
    const group = event.target.closest(".w");
    if (group) show(Number(group.dataset.i)); else clear();
  });
  figure.addEventListener("pointerleave", clear);
  figure.addEventListener("blur", clear);
  figure.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (event.key === "Escape") clear();
    if (!step || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    show(current < 0 ? 0 : (current + step + words.length) % words.length);
  });
})();
