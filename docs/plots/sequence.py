"""Learning curves of an LSTM over embeddings of several kinds, from a recorded run.

Run as `python docs/plots/sequence.py`; the numbers in `data/sequence.json` are those of
`python -m benchmarks.sequence_curves WORDS MLM LM`.
"""

from __future__ import annotations

import json
from pathlib import Path

from drawing import draw

from rowspace.space.plots import Series

NUMBERS = Path(__file__).parent / "data" / "sequence.json"
TASK, CELL = "trec", "lstm"


def main() -> None:
    """Draw accuracy by labelled texts."""
    task = next(one for one in json.loads(NUMBERS.read_text()) if one["task"] == TASK)
    curves = [curve for curve in task["curves"] if curve["cell"] == CELL]
    series = [
        Series(
            curve["name"],
            [(point["size"], point["mean"]) for point in curve["points"]],
            color,
            "frozen" not in curve["name"] and "contextual" not in curve["name"],
            [(point["low"], point["high"]) for point in curve["points"]],
        )
        for color, curve in enumerate(curves)
    ]
    draw(
        "sequence",
        series,
        "Questions told by an LSTM",
        "labelled questions (log)",
        "accuracy",
        [point["size"] for point in curves[0]["points"]],
        reference=(task["usual_accuracy"], "most frequent label"),
    )


if __name__ == "__main__":
    main()
