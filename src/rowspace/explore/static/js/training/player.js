// Plays steps: a place between 0 and the last step that moves with time, or jumps from step to step where
// people want no motion.

const SECONDS_A_STEP = 0.55;

/** `onMove(place)` is called as it moves, `onStop()` when it ends or is stopped. */
export function createPlayer({ last, onMove, onStop }) {
  let frame = 0, timer = 0, place = 0;

  function play(from) {
    stop({ quiet: true });
    place = from >= last ? 0 : from;
    onMove(place);
    if (matchMedia("(prefers-reduced-motion: reduce)").matches) return jump();
    let before = null;
    const move = (now) => {
      place = Math.min(last, place + (before == null ? 0 : (now - before) / 1000 / SECONDS_A_STEP));
      before = now;
      onMove(place);
      if (place >= last) return stop();
      frame = requestAnimationFrame(move);
    };
    frame = requestAnimationFrame(move);
  }

  function jump() {
    timer = setInterval(() => {
      place = Math.min(last, Math.floor(place) + 1);
      onMove(place);
      if (place >= last) stop();
    }, 1000);
  }

  function stop({ quiet = false } = {}) {
    const was = playing();
    cancelAnimationFrame(frame);
    clearInterval(timer);
    frame = timer = 0;
    if (was && !quiet) onStop(place);
  }

  const playing = () => Boolean(frame || timer);
  return { play, stop, playing };
}
