"""The plots of chapter 4: senses of "bank" by layer, and a language model's states straightened.

Run as `python docs/plots/eras.py DATA all-MiniLM-L6-v2 wiki.mlm wiki.lm`: the evaluation data, a
sentence embedder, and a masked and a causal model as docs/guide/contextual.md makes them. A minute.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from drawing import draw
from numpy.typing import NDArray
from pictures import columns, write

from rowspace.evaluate.correlation import correlations
from rowspace.evaluate.sense_data import read_coarse_wsd
from rowspace.evaluate.sentence_data import read_sentence_task
from rowspace.space.isotropy import mean_cosine
from rowspace.space.plots import Series
from rowspace.space.similarity import unit_rows
from rowspace.space.transforms import all_but_the_top, whiten
from rowspace.transformer.contextual import ContextualEncoder
from rowspace.transformer.load_encoder import load_encoder

Floats = NDArray[np.float32]
N_EACH = 46
"""Occurrences of a sense: as many as there are of a river's bank."""


def bank_sentences(data: Path) -> tuple[list[str], list[tuple[int, int]], list[str]]:
    """Sentences with "bank", where it stands in them, and in which of two senses."""
    folder = data / "context" / "coarsewsd20"
    task = read_coarse_wsd(folder / "bank.train.tsv", folder / "bank.test.tsv", "bank")
    texts, spans, senses = [], [], []
    for sense in sorted({one.sense for one in task.train}):
        for one in [one for one in task.train if one.sense == sense][:N_EACH]:
            start = sum(len(token) + 1 for token in one.tokens[: one.index])
            texts.append(" ".join(one.tokens))
            spans.append((start, start + len(one.word)))
            senses.append(sense)
    return texts, spans, senses


def by_layer(
    encoder: ContextualEncoder,
    texts: Sequence[str],
    spans: Sequence[tuple[int, int]],
    senses: Sequence[str],
) -> tuple[list[tuple[float, float]], list[tuple[float, float]]]:
    """Mean cosine of two occurrences at each layer: of one sense, and of two."""
    is_one = np.equal.outer(senses, senses)
    is_pair = ~np.eye(len(senses), dtype=bool)
    same, other = [], []
    for layer in range(encoder.n_layers + 1):
        units = unit_rows(encoder.contextual(texts, spans=spans, layers=layer).vectors)
        cosines = units @ units.T
        same.append((layer, float(cosines[is_one & is_pair].mean())))
        other.append((layer, float(cosines[~is_one].mean())))
    return same, other


def draw_layers(data: Path, models: Sequence[tuple[str, str]]) -> None:
    """Cosines by layer, of each model."""
    series = []
    for color, (name, folder) in enumerate(models):
        same, other = by_layer(load_encoder(folder), *bank_sentences(data))
        print(name, "same", same, "other", other)
        series += [
            Series(f"{name}, one sense", same, color),
            Series(f"{name}, two", other, color, is_dashed=True),
        ]
    draw(
        "bank-by-layer",
        series,
        'Two occurrences of "bank"',
        "layer",
        "mean cosine",
        range(int(max(x for one in series for x, _ in one.values)) + 1),
        x_is_log=False,
    )


def draw_straightened(data: Path, folder: str) -> None:
    """STS-B of a causal model's states: as they are, without their top, whitened."""
    pairs = read_sentence_task(data / "sentence" / "stsb", "dev").pairs
    states = load_encoder(folder).token_states([p[0] for p in pairs] + [p[1] for p in pairs])
    first = np.stack([s[0] for s in states])
    print("first states differ by", float(np.abs(first - first[0]).max()))
    scores = np.array([score for _, _, score in pairs])
    values = []
    for how, of in (("last", lambda s: s[-1]), ("mean", lambda s: s.mean(axis=0))):
        matrix: Floats = np.stack([of(s) for s in states])
        for name, made in (
            (how, matrix),
            ("− top", all_but_the_top(matrix, 3).apply(matrix)),
            ("white", whiten(matrix).apply(matrix)),
        ):
            units = unit_rows(made)
            cosines = (units[: len(pairs)] * units[len(pairs) :]).sum(axis=1)
            value, _ = correlations(scores, cosines.astype(np.float64))
            values.append((name, value))
            print(how, name, "mean cosine", mean_cosine(made), "Spearman", value)
    write(
        "states-straightened",
        plot=columns(values, "STS-B dev", "a text's vector", "Spearman"),
    )


def main(data: str, embedder: str, masked: str, causal: str) -> None:
    """Draw both."""
    draw_layers(Path(data), [("MiniLM", embedder), ("ours", masked)])
    draw_straightened(Path(data), causal)


if __name__ == "__main__":
    main(*sys.argv[1:])
