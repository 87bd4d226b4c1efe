// What the explorer takes from its one JavaScript library.
export { default } from "regl-scatterplot";
