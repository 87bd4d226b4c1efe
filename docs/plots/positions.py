"""Plots of chapter 6: how alike two places are, and how ALiBi fades, by distance.

Run as `python docs/plots/positions.py FOLDER`, of a model with learned positions, as MiniLM.
"""

from __future__ import annotations

import math
import sys
from pathlib import Path

import numpy as np
from drawing import draw
from numpy.typing import NDArray

from rowspace.position import ALiBi, Sinusoidal, torch
from rowspace.space.plots import Series
from rowspace.transformer import load_transformer

DISTANCES = range(65)
PLACES = (0, 1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128)


def similarity(vectors: NDArray[np.float64]) -> list[tuple[float, float]]:
    """Mean cosine of all pairs of places that are so far apart."""
    vectors = vectors / np.linalg.norm(vectors, axis=1)[:, None]
    cosines = vectors @ vectors.T
    return [(d, float(np.diagonal(cosines, d).mean())) for d in DISTANCES]


def learned_rows(folder: Path) -> NDArray[np.float64]:
    """The table of learned positions of a transformer."""
    transformer = load_transformer(folder)
    return transformer.position.table.weight.detach().double().numpy()


def main(folder: Path) -> None:
    """Draw both."""
    rows = learned_rows(folder)
    waves = Sinusoidal(rows.shape[1]).vectors(torch.arange(len(rows))).numpy()
    draw(
        "position-similarity",
        [
            Series("sinusoidal", similarity(waves), 0),
            Series("learned", similarity(rows), 1),
        ],
        f"Two places of {len(rows)}, vectors of {rows.shape[1]}",
        "distance, tokens",
        "mean cosine",
        (0, 8, 16, 24, 32, 40, 48, 56, 64),
        x_is_log=False,
    )
    slopes = ALiBi(8).slopes
    draw(
        "alibi-fading",
        [
            Series(
                f"slope 1/{1 / slopes[k]:.0f}",
                [(d, math.exp(-slopes[k] * d)) for d in PLACES],
                color,
            )
            for color, k in enumerate((0, 2, 4, 6, 7))
        ],
        "What ALiBi multiplies a share of attention by",
        "distance, tokens",
        "factor",
        (0, 16, 32, 48, 64, 80, 96, 112, 128),
        x_is_log=False,
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
