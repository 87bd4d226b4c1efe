"""How soon the map is drawn, and how long a frame takes while it is dragged.

    python -m benchmarks.explorer_map [--points 100000,1000000]

The page is the explorer's own, its data generated and ready, as a layout is after a first visit.
The browser is Chromium with WebGL in software, which is the slowest there is. The time to the map
runs from the start of the navigation to `performance.mark("map-drawn")`. A frame is the time
between two calls of requestAnimationFrame while the mouse drags; rest is the longest one after
it.
"""

from __future__ import annotations

import argparse
import statistics
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files as files_of
from typing import TYPE_CHECKING, Any

import numpy as np
import uvicorn
from fastapi import FastAPI, Request, Response
from fastapi.staticfiles import StaticFiles

from benchmarks.common import record

if TYPE_CHECKING:
    from playwright.sync_api import Page

STATIC = str(files_of("rowspace.explore") / "static")
GROUPS = 40
STEPS = 60

FRAMES = """() => {
    window.frames_ = [];
    let last = performance.now();
    const next = () => {
        const now = performance.now();
        window.frames_.push(now - last);
        last = now;
        requestAnimationFrame(next);
    };
    requestAnimationFrame(next);
}"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--points", default="100000,1000000", help="how many, separated by commas")
    counts = [int(count) for count in parser.parse_args().points.split(",")]
    lines = [f"{'points':>10}{'map drawn':>12}{'frame, median':>16}{'p95':>9}{'rest':>9}   ms"]
    for n in counts:
        with served(pretended(n)) as address:
            first, frames, rest = measure(f"{address}#/map")
        p95 = statistics.quantiles(frames, n=20)[-1]
        lines.append(f"{n:10,}{first:12.0f}{statistics.median(frames):16.1f}{p95:9.1f}{rest:9.1f}")
    record("The explorer's map in Chromium, WebGL in software", lines)


def pretended(n: int) -> FastAPI:
    """The explorer of n words in groups of very different sizes, as clusters of a language are."""
    app, api = FastAPI(), "/explore/api"
    rng = np.random.default_rng(0)
    middles = rng.uniform(-0.8, 0.8, size=(GROUPS, 2))
    group = rng.choice(GROUPS, size=n, p=rng.dirichlet(np.ones(GROUPS)))
    places = np.clip(middles[group] + 0.08 * rng.normal(size=(n, 2)), -1, 1).astype("<f4").tobytes()
    names = [f"group {i}" for i in range(GROUPS)]
    layout = {"method": "umap", "label": "UMAP", "ready": True, "seed": 0, "n_fitted": n}
    one = {"id": "words", "n": n, "dim": 100, "fields": {}, "layouts": [layout]}
    subject = {"name": f"{n:,} words", "is_space": False, "sets": [one], "has": {}}
    answers: dict[str, Any] = {
        "about": {"rowspace": "", "subjects": [subject]},
        "colors": {"kind": "category", "names": names},
        "labels": [
            {"text": name, "x": x, "y": y, "n": 1, "cluster": i}
            for i, (name, (x, y)) in enumerate(zip(names, middles.tolist(), strict=True))
        ],
        "neighbors": [],
    }
    files = {"map": places, "colors.bin": group.astype("<u2").tobytes()}

    @app.get(f"{api}/{{name}}")
    def answer(name: str) -> Any:
        return Response(files[name]) if name in files else answers[name]

    @app.post(f"{api}/points")
    async def points(request: Request) -> Any:
        rows = (await request.json())["rows"]
        return [{"row": row, "label": f"word{row}"} for row in rows]

    app.mount("/explore/", StaticFiles(directory=STATIC, html=True))
    return app


@contextmanager
def served(app: FastAPI) -> Iterator[str]:
    """The address of an application, while the block runs."""
    server = uvicorn.Server(uvicorn.Config(app, "127.0.0.1", 0, log_level="warning"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}/explore/"
    finally:
        server.should_exit = True
        thread.join()


def measure(url: str) -> tuple[float, list[float], float]:
    """Milliseconds to the map, of each frame of a drag, and of the longest once it rests."""
    from tests.browser import launched, watched

    with launched() as browser, watched(browser) as page:
        page.goto(url)
        page.wait_for_function("performance.getEntriesByName('map-drawn').length", timeout=120_000)
        first = page.evaluate("performance.getEntriesByName('map-drawn')[0].startTime")
        page.wait_for_timeout(5000)  # colours and names
        page.evaluate(FRAMES)
        page.mouse.move(600, 400)
        page.mouse.down()
        page.mouse.move(605, 402)
        page.wait_for_timeout(500)  # the change to the sample
        frames = while_dragging(page)
        page.mouse.up()
        page.evaluate("window.frames_.length = 0")
        page.wait_for_timeout(3000)
        return first, frames, max(page.evaluate("window.frames_"))


def while_dragging(page: Page) -> list[float]:
    page.evaluate("window.frames_.length = 0")
    for step in range(STEPS):
        page.mouse.move(605 + 4 * step, 402 + 2 * step)
        page.wait_for_timeout(8)
    frames: list[float] = page.evaluate("window.frames_")
    return frames


if __name__ == "__main__":
    main()
