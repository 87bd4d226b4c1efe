"""Plots of chapter 9: learning curves of sequence models over each kind of embedding.

Run as `python docs/plots/sequence.py`, once `python -m benchmarks.sequence_curves` has written
docs/plots/data/sequence.json.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from drawing import draw

from rowspace.space.plots import Series

DATA = Path(__file__).parent / "data" / "sequence.json"


def draw_task(task: dict[str, Any], cell: str) -> None:
    """One task's curves of one cell."""
    curves = [curve for curve in task["curves"] if curve["cell"] == cell]
    series = [
        Series(
            curve["name"].replace("wiki.", ""),
            [(point["size"], point["mean"]) for point in curve["points"]],
            color,
        )
        for color, curve in enumerate(curves)
    ]
    sizes = [point["size"] for point in curves[0]["points"]]
    draw(
        f"sequence-{task['task']}",
        series,
        f"{task['task']}: accuracy by labelled texts, {cell.upper()}",
        "labelled texts (log)",
        f"accuracy on {task['n_test']:,} texts",
        sizes,
        reference=(task["usual_accuracy"], "most frequent label"),
    )


if __name__ == "__main__":
    for one in json.loads(DATA.read_text()):
        draw_task(one, "gru")
