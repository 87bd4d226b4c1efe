"""Plot of chapter 9: how alike the vectors of unrelated texts are, layer by layer.

Run as `python docs/plots/anisotropy.py DATA NAME=MODEL …`, of folders of transformers that put a
token at the end of a text; DATA holds sentence/stsb/dev.tsv. Prints a table, and draws the curves.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from drawing import draw
from numpy.typing import NDArray

from rowspace.evaluate.correlation import correlations
from rowspace.evaluate.sentence_data import read_sentence_pairs
from rowspace.position import torch
from rowspace.sentence import SentenceModel
from rowspace.space.isotropy import mean_cosine
from rowspace.space.plots import Series
from rowspace.space.similarity import unit_rows

Vectors = NDArray[np.float64]
BATCH = 64


def pooled(model: SentenceModel, texts: list[str]) -> dict[str, Vectors]:
    """Vectors of each text after each layer, (layers, texts, dim), by pooling."""
    parts: dict[str, list[torch.Tensor]] = {"mean": [], "last word": [], "end": []}
    order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
    for start in range(0, len(texts), BATCH):
        inputs = model.read([texts[i] for i in order[start : start + BATCH]])
        mask = inputs.mask
        if mask is None:
            mask = torch.ones_like(inputs.token_ids, dtype=torch.bool)
        layers = list(range(model.states.n_layers + 1))
        with torch.no_grad():
            states = torch.stack(model.states.read(inputs.token_ids, mask, layers)).double()
        weights = mask.double()[None, :, :, None]
        parts["mean"].append((states * weights).sum(2) / weights.sum(2))
        n, n_tokens = torch.arange(len(mask)), mask.sum(1)
        parts["last word"].append(states[:, n, n_tokens - 2])
        parts["end"].append(states[:, n, n_tokens - 1])
    back = torch.tensor(order).argsort()
    return {name: torch.cat(rows, 1)[:, back].numpy() for name, rows in parts.items()}


def main(data: Path, models: dict[str, Path]) -> None:
    """Measure and draw."""
    pairs = read_sentence_pairs(data / "sentence" / "stsb" / "dev.tsv")
    texts = [pair[side].rstrip(" .?!") for side in (0, 1) for pair in pairs]
    gold, n = np.array([pair[2] for pair in pairs]), len(pairs)
    curves = []
    print(f"{2 * n:,} sentences, {n:,} judged pairs")
    print(f"{'':8} {'pooling':9} mean cosine  centered  Spearman  centered")
    for color, (name, folder) in enumerate(models.items()):
        for pooling, vectors in pooled(SentenceModel.load(folder), texts).items():
            whole = vectors[-1]
            found = []
            for one in (whole, whole - whole.mean(axis=0)):
                rows = unit_rows(one)
                cosines = (rows[:n] * rows[n:]).sum(1)
                found += [mean_cosine(one), correlations(gold, cosines)[0]]
            print(
                f"{name:8} {pooling:9} {found[0]:11.3f} {found[2]:9.3f}"
                f" {found[1]:9.3f} {found[3]:9.3f}"
            )
            if pooling == "end":
                continue
            values = [(layer, mean_cosine(one)) for layer, one in enumerate(vectors)]
            curves.append(Series(f"{name}, {pooling}", values, color, pooling == "last word"))
    n_layers = int(max(one.values[-1][0] for one in curves))
    draw(
        "anisotropy", curves, "Unrelated texts, layer by layer", "layer", "mean cosine",
        range(n_layers + 1), x_is_log=False,
    )  # fmt: skip


if __name__ == "__main__":
    named = dict(argument.split("=", 1) for argument in sys.argv[2:])
    main(Path(sys.argv[1]), {name: Path(folder) for name, folder in named.items()})
