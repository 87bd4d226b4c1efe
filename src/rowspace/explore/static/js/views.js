// The views, in the order of the menu: a line each.

export const VIEWS = [
  { name: "map", title: "Map", isThere: () => true, load: () => import("./views/map.js") },
  { name: "training", title: "Training", isThere: (about) => about.subjects.some((s) => s.has?.training), load: () => import("./views/training.js") },
  { name: "compare", title: "Compare", isThere: (about) => about.subjects.length > 1 || about.subjects[0].models?.length > 1, load: () => import("./views/compare.js") },
  { name: "senses", title: "Senses", isThere: (about) => about.subjects.some((s) => s.has?.senses), load: () => import("./views/senses.js") },
  { name: "tokens", title: "Tokens", isThere: () => true, load: () => import("./views/tokens.js") },
  { name: "positions", title: "Positions", isThere: () => true, load: () => import("./views/positions.js") },
];
