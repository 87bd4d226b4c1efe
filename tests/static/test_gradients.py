"""Every loss of word2vec and fastText: one step against the central difference of what it says.

The loss is written down here once more, in float64, from the papers. A step that is taken with a
learning rate of lr must be -lr times its gradient, for the slow versions and for the kernels.

To have nothing random in it, the noise words are all one word, by an extreme noise exponent, and
windows have their full reach.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from rowspace.static.fasttext import FastText
from rowspace.static.huffman import Tree, huffman_tree
from rowspace.static.sampling import keep_thresholds, noise_table
from rowspace.static.word2vec import Word2Vec
from rowspace.text.ngrams import subword_buckets
from rowspace.text.vocabulary import Vocabulary
from tests.naive import Matrix, NaiveCbowPiece, NaivePiece, NaiveRandom

WORDS = ["noise", "abcd", "bcde", "abab", "cdcd", "bcbc", "dada"]
NOISE, N_NEGATIVE, DIM, WINDOW = 0, 3, 18, 2
ROW = 32  # DIM in multiples of 16
VOCABULARY = Vocabulary(WORDS, np.array([10**6, 9, 8, 7, 6, 5, 4]), 10**6, len(WORDS))
TREE = huffman_tree(VOCABULARY.counts)
SETTINGS: dict[str, Any] = {
    "dim": DIM, "window": WINDOW, "n_negative": N_NEGATIVE, "noise_exponent": 10.0, "subsample": 0,
    "dynamic_window": False, "sigmoid": "exact", "n_threads": 1, "min_count": 1,
}  # fmt: skip
TEXTS = {
    "a word twice in the window": [3, 1, 2, 1, 4],
    "the center is the noise word": [3, 1, NOISE, 5, 4],
    "one context": [2, -1, 5, 6, -1, 1],
}
CENTERS = 2, 3
LOSSES = "negative_sampling", "hierarchical_softmax"


@dataclass(frozen=True)
class Example:
    """Rows of the input matrix that together predict words."""

    rows: Sequence[int]
    predicted: Sequence[int]


Together = Callable[[Matrix, Matrix, Sequence[int]], Matrix]


def _mean(w_in: Matrix, start: Matrix, rows: Sequence[int]) -> Matrix:
    """CBOW's hidden row: the mean."""
    hidden: Matrix = w_in[rows].mean(axis=0)
    return hidden


def _sum(w_in: Matrix, start: Matrix, rows: Sequence[int]) -> Matrix:
    hidden: Matrix = w_in[rows].sum(axis=0)
    return hidden


def _classic(w_in: Matrix, start: Matrix, rows: Sequence[int]) -> Matrix:
    """What word2vec.c, gensim and fastText descend: the mean, but each row moves all of it.

    So their step is not the gradient of their loss: it is that times the number of rows.
    """
    moved: Matrix = start[rows].mean(axis=0) + (w_in[rows] - start[rows]).sum(axis=0)
    return moved


TOGETHER = {"mean": _mean, "sum": _sum, "classic": _classic}


def _loss(
    w_in: Matrix, w_out: Matrix, start: Matrix, examples: Sequence[Example], loss: str,
    together: Together,
) -> float:  # fmt: skip
    """-log likelihood: Mikolov et al. (2013b), eq. 3 (hierarchical softmax) and 4."""
    total = 0.0
    for example in examples:
        logits = w_out @ together(w_in, start, example.rows)
        for word in example.predicted:
            if loss == "hierarchical_softmax":
                for node, label in zip(*TREE.path(word), strict=True):
                    total += np.logaddexp(0, -logits[node] if label else logits[node])
            else:
                total += np.logaddexp(0, -logits[word])
                if word != NOISE:  # a noise word that is the true one does not count
                    total += N_NEGATIVE * np.logaddexp(0, logits[NOISE])
    return float(total)


def _gradient(function: Callable[[Matrix], float], at: Matrix) -> Matrix:
    """Central differences."""
    gradient = np.zeros_like(at)
    for place in np.ndindex(at.shape):
        values = []
        for shift in (1e-6, -1e-6):
            moved = at.copy()
            moved[place] += shift
            values.append(function(moved))
        gradient[place] = (values[0] - values[1]) / 2e-6
    return gradient


def _expected(
    w_in: Matrix, w_out: Matrix, examples: Sequence[Example], loss: str, together: Together
) -> tuple[float, Matrix, Matrix]:
    """The loss, and the gradients with respect to both matrices."""
    return (
        _loss(w_in, w_out, w_in, examples, loss, together),
        _gradient(lambda moved: _loss(moved, w_out, w_in, examples, loss, together), w_in),
        _gradient(lambda moved: _loss(w_in, moved, w_in, examples, loss, together), w_out),
    )


def _windows(tokens: Sequence[int], centers: tuple[int, int]) -> list[tuple[int, list[int]]]:
    """Each center with its contexts, which a sentence's end cuts off."""
    windows = []
    for i in range(*centers):
        places = [
            j
            for j in range(max(0, i - WINDOW), min(len(tokens), i + WINDOW + 1))
            if j != i and min(tokens[min(i, j) : max(i, j) + 1]) >= 0
        ]
        contexts = [tokens[j] for j in places]
        if tokens[i] >= 0 and contexts:
            windows.append((tokens[i], contexts))
    return windows


def _matrices(n_in: int, n_out: int) -> tuple[Matrix, Matrix]:
    """Values that float32 has too."""
    generator = np.random.default_rng(n_in)
    both = generator.normal(0, 0.4, (n_in + n_out, DIM)).astype(np.float32).astype(np.float64)
    return both[:n_in], both[n_in:]


def _kernel_step(
    method: Any, w_in: Matrix, w_out: Matrix, tokens: Sequence[int], centers: tuple[int, int],
    lr: float,
) -> tuple[float, Matrix, Matrix]:  # fmt: skip
    """The loss that the compiled step tells, and both matrices' change by it."""
    padded = [np.zeros((len(rows) + n, ROW), np.float32) for rows, n in ((w_in, 2), (w_out, 1))]
    for rows, matrix in zip(padded, (w_in, w_out), strict=True):
        rows[: len(matrix), :DIM] = matrix
    flat: list[NDArray[np.float32]] = [rows.ravel() for rows in padded]
    loss, n_predictions = method.train(
        *flat, ROW, np.array(tokens, np.int32), *centers, lr, np.array([5], np.uint64)
    )
    assert n_predictions > 0
    return (
        loss,
        padded[0][: len(w_in), :DIM] - w_in,
        padded[1][: len(w_out), :DIM] - w_out,
    )


WORD2VEC = [
    *(("skipgram", "mean", loss, CENTERS) for loss in LOSSES),
    *(("cbow", together, loss, CENTERS) for together in TOGETHER for loss in LOSSES),
    # Neighbouring centers of CBOW share their negatives and one step.
    *(("cbow", together, "negative_sampling", (0, 5)) for together in TOGETHER),
]


@pytest.mark.parametrize("tokens", TEXTS.values(), ids=TEXTS)
@pytest.mark.parametrize(("architecture", "together", "loss", "centers"), WORD2VEC)
def test_a_step_of_word2vec_is_the_gradient_of_its_loss(
    architecture: str, together: str, loss: str, centers: tuple[int, int], tokens: list[int]
) -> None:
    with_tree, is_cbow = loss == "hierarchical_softmax", architecture == "cbow"
    trainer = Word2Vec(
        architecture=architecture, loss=loss, cbow_mean=together != "sum",
        cbow_gradient="classic" if together == "classic" else "corrected", **SETTINGS,
    )  # fmt: skip
    trainer.tree = TREE if with_tree else None
    method: Any = trainer._method(VOCABULARY, np.empty(0, bool))
    w_in, w_out = _matrices(len(WORDS), TREE.n_nodes if with_tree else len(WORDS))
    examples = [
        Example(rows, [center])
        for center, contexts in _windows(tokens, centers)
        for rows in ([contexts] if is_cbow else [[c] for c in contexts])
    ]
    # Along a tree, contexts learn one after the other, else all of them in one step.
    steps = [examples] if is_cbow or not with_tree else [[example] for example in examples]
    value, after_in, after_out = 0.0, w_in, w_out
    for step in steps:
        told, of_in, of_out = _expected(after_in, after_out, step, loss, TOGETHER[together])
        value, after_in, after_out = value + told, after_in - of_in, after_out - of_out
        assert np.abs(of_in).max() > 0.05 and np.abs(of_out).max() > 0.05

    slow_class = NaiveCbowPiece if is_cbow and not with_tree else NaivePiece
    slow = slow_class(
        w_in.copy(), w_out.copy(), keep_thresholds(VOCABULARY.counts, 0).tolist(),
        noise_table(VOCABULARY.counts, 10.0).tolist(), WINDOW, N_NEGATIVE, False, is_cbow,
        together != "sum", together == "classic", 1.0, NaiveRandom(5),
        _paths(TREE) if with_tree else None,
    )  # fmt: skip
    slow.train(tokens, *centers)
    assert slow.loss == pytest.approx(value, rel=1e-9)
    np.testing.assert_allclose(slow.w_in, after_in, atol=1e-8)
    np.testing.assert_allclose(slow.w_out, after_out, atol=1e-8)

    told, change_in, change_out = _kernel_step(method, w_in, w_out, tokens, centers, 1.0)
    assert told == pytest.approx(value, rel=1e-5)
    np.testing.assert_allclose(change_in, after_in - w_in, atol=2e-6)
    np.testing.assert_allclose(change_out, after_out - w_out, atol=2e-6)


def _paths(tree: Tree) -> list[list[tuple[int, int]]]:
    return [list(zip(*map(list, tree.path(word)), strict=True)) for word in range(len(WORDS))]


@pytest.mark.parametrize("tokens", [TEXTS["a word twice in the window"], TEXTS["one context"]])
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("gradient", ["corrected", "classic"])
@pytest.mark.parametrize("architecture", ["skipgram", "cbow"])
def test_a_step_of_fasttext_is_the_gradient_of_its_loss(
    architecture: str, gradient: str, loss: str, tokens: list[int]
) -> None:
    trainer = FastText(
        architecture=architecture, loss=loss, cbow_gradient=gradient, minn=2, maxn=3, bucket=9,
        **SETTINGS,
    )  # fmt: skip
    trainer.tree = TREE if loss == "hierarchical_softmax" else None
    method: Any = trainer._method(VOCABULARY, np.empty(0, bool))
    w_in, w_out = _matrices(method.n_in, method.n_out)
    ends, buckets = subword_buckets(WORDS, 2, 3, 9)
    rows = [
        [word, *(len(WORDS) + method.bucket_rows[buckets[ends[word] : ends[word + 1]]]).tolist()]
        for word in range(len(WORDS))
    ]
    assert min(map(len, rows)) > 3
    examples = [
        Example([row for c in contexts for row in rows[c]], [center])
        if architecture == "cbow"
        else Example(rows[center], contexts)
        for center, contexts in _windows(tokens, CENTERS)
    ]
    together = _classic if gradient == "classic" else _mean
    value, of_in, of_out = _expected(w_in, w_out, examples, loss, together)
    assert np.abs(of_in).max() > 0.05 and np.abs(of_out).max() > 0.05
    # A small step: the words of a window may also be taken one after the other.
    lr = 1e-4
    told, change_in, change_out = _kernel_step(method, w_in, w_out, tokens, CENTERS, lr)
    assert told == pytest.approx(value, rel=0.01)
    np.testing.assert_allclose(change_in / lr, -of_in, atol=0.01)
    np.testing.assert_allclose(change_out / lr, -of_out, atol=0.01)
