// regl-scatterplot draws into a buffer of floats and then copies it, which more than doubles the time
// of a frame where WebGL is made in software. Opacities as used here lose nothing in eight bits, so
// points are drawn on its canvas at once.

/** Let a plot draw without the buffer. */
export function drawDirectly(plot) {
  const renderer = plot.get("renderer");
  renderer.render = (draw, target) => {
    const { canvas, regl } = renderer;
    regl.clear({ color: [0, 0, 0, 0], depth: 1 });
    draw();
    const pen = target.getContext("2d");
    const { width, height } = target;
    pen.globalCompositeOperation = "copy"; // clears what was there
    pen.drawImage(canvas, (canvas.width - width) / 2, (canvas.height - height) / 2, width, height, 0, 0, width, height);
  };
}
