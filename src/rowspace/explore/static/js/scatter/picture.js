// A map as a picture of twice its size: points, labels, legend and a line that says what it shows.

import { color } from "../theme.js";
import { head } from "./overlay.js";

const SCALE = 2;
const FOOT = 34;

/** A PNG. `legend` is { title, entries: [{ name, color }], ramp: [colors], low, high } or null. */
export async function drawPicture({ canvas, items, rasterise, title = "", legend = null }) {
  const { width, height } = canvas.getBoundingClientRect();
  const points = await rasterise(SCALE);
  const paper = document.createElement("canvas");
  paper.width = Math.round(width * SCALE);
  paper.height = Math.round((height + FOOT) * SCALE);
  const pen = paper.getContext("2d");
  pen.fillStyle = color("--paper");
  pen.fillRect(0, 0, paper.width, paper.height);
  pen.drawImage(await createImageBitmap(points), 0, 0, width * SCALE, height * SCALE);
  pen.scale(SCALE, SCALE);
  for (const item of items) DRAW[item.kind](pen, item);
  if (legend) drawLegend(pen, legend, height);
  words(pen, title, 14, height + 21, { size: 12.5, fill: color("--soft") });
  return new Promise((resolve) => paper.toBlob(resolve, "image/png"));
}

const DRAW = {
  text(pen, { text, x, y, size, weight, color: fill }) {
    words(pen, text, x, y, { size, weight, fill: fill ?? color("--ink"), halo: true });
  },
  ring(pen, { x, y, r, of }) {
    pen.beginPath();
    pen.arc(x, y, r, 0, 2 * Math.PI);
    stroke(pen, color({ near: "--soft", found: "--accent", pin: "--ink" }[of]), of === "pin" ? 2 : 1.4);
  },
  line(pen, { x1, y1, x2, y2 }) {
    straight(pen, x1, y1, x2, y2);
    stroke(pen, color("--soft"), 0.8);
  },
  arrow(pen, item) {
    straight(pen, item.x1, item.y1, item.x2, item.y2);
    stroke(pen, color("--accent"), 1.8);
    if (item.ux == null) return;
    pen.fillStyle = color("--accent");
    pen.fill(new Path2D(head(item)));
  },
};

function straight(pen, x1, y1, x2, y2) {
  pen.beginPath();
  pen.moveTo(x1, y1);
  pen.lineTo(x2, y2);
}

function stroke(pen, style, width) {
  pen.strokeStyle = style;
  pen.lineWidth = width;
  pen.stroke();
}

function words(pen, text, x, y, { size, weight = 400, fill, halo = false }) {
  pen.font = `${weight} ${size}px ${getComputedStyle(document.body).fontFamily}`;
  if (halo) {
    pen.lineJoin = "round";
    pen.lineWidth = 3;
    pen.strokeStyle = color("--paper");
    pen.strokeText(text, x, y);
  }
  pen.fillStyle = fill;
  pen.fillText(text, x, y);
}

function drawLegend(pen, { title, entries = [], ramp, low, high }, height) {
  let y = height - 14 - (ramp ? 34 : 20 * entries.length);
  words(pen, title, 16, y - 6, { size: 12, weight: 600, fill: color("--soft"), halo: true });
  if (ramp) {
    ramp.forEach((shade, i) => {
      pen.fillStyle = shade;
      pen.fillRect(16 + (i * 160) / ramp.length, y, 160 / ramp.length + 0.5, 10);
    });
    words(pen, low, 16, y + 26, { size: 12, fill: color("--ink"), halo: true });
    pen.textAlign = "right";
    words(pen, high, 176, y + 26, { size: 12, fill: color("--ink"), halo: true });
    pen.textAlign = "left";
    return;
  }
  for (const entry of entries) {
    pen.fillStyle = entry.color;
    pen.beginPath();
    pen.arc(21, y + 9, 5, 0, 2 * Math.PI);
    pen.fill();
    words(pen, entry.name, 33, y + 13, { size: 12.5, fill: color("--ink"), halo: true });
    y += 20;
  }
}
