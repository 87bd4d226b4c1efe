// The loss along the training, with a line where the slider is.

import { fill, svg } from "../dom.js";

const WIDTH = 300, HEIGHT = 110, LEFT = 40, RIGHT = 8, TOP = 8, BOTTOM = 20;

/** A drawing in `root`; `mark(place)` moves the line. */
export function createLossPlot(root, steps) {
  const known = steps.filter(({ loss }) => loss != null);
  if (known.length < 2) {
    root.textContent = "Too few steps for a curve.";
    return { mark() {} };
  }
  const losses = known.map(({ loss }) => loss);
  const low = Math.min(...losses), high = Math.max(...losses), range = high - low || 1;
  const last = steps.at(-1).share;
  const x = (share) => LEFT + (share / last) * (WIDTH - LEFT - RIGHT);
  const y = (loss) => TOP + ((high - loss) / range) * (HEIGHT - TOP - BOTTOM);
  const line = svg("line", { class: "now", y1: TOP - 4, y2: HEIGHT - BOTTOM + 4 });
  const dot = svg("circle", { class: "now-dot", r: 4 });
  const label = `Loss from ${losses[0].toPrecision(3)} to ${losses.at(-1).toPrecision(3)}`;
  fill(root, svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": label },
    ...[high, low].flatMap((loss) => [
      svg("line", { class: "grid", x1: LEFT, x2: WIDTH - RIGHT, y1: y(loss), y2: y(loss) }),
      svg("text", { x: LEFT - 6, y: y(loss) + 4, "text-anchor": "end" }, loss.toPrecision(3)),
    ]),
    svg("text", { x: LEFT, y: HEIGHT - 4 }, "0"),
    svg("text", { x: WIDTH - RIGHT, y: HEIGHT - 4, "text-anchor": "end" }, epochs(steps.at(-1).epoch)),
    svg("polyline", { class: "curve", points: known.map((step) => `${x(step.share)},${y(step.loss)}`).join(" ") }),
    line, dot));

  /** Show the place between two steps. */
  function mark(place) {
    const step = Math.floor(place), next = Math.min(step + 1, steps.length - 1), share = place - step;
    const at = x(steps[step].share * (1 - share) + steps[next].share * share);
    const a = steps[step].loss ?? steps[next].loss, b = steps[next].loss ?? a;
    for (const end of ["x1", "x2"]) line.setAttribute(end, at);
    dot.setAttribute("cx", at);
    dot.setAttribute("cy", y(a * (1 - share) + b * share));
  }
  return { mark };
}

/** "1 epoch", "2.5 epochs". */
export function epochs(number) {
  return `${number.toLocaleString("en", { maximumFractionDigits: 2 })} ${number === 1 ? "epoch" : "epochs"}`;
}
