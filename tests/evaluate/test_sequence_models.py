"""Recurrent models over tables of vectors: what padding, freezing and training do."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

pytest.importorskip("torch")

import torch

from rowspace.errors import ConfigError
from rowspace.evaluate.labelled_texts import LabelledTexts, TextTask
from rowspace.evaluate.sequence import TokenVectors
from rowspace.evaluate.sequence_config import CELLS, Cell, SequenceConfig
from rowspace.evaluate.sequence_curves import train_one
from rowspace.evaluate.sequence_inputs import Inputs, contextual_inputs, scale, word_table
from rowspace.evaluate.sequence_models import PADDING, Adam, Classifier, Rows, SequenceModel, padded
from rowspace.evaluate.sequence_task import SequenceTask
from rowspace.evaluate.sequence_tokens import WordTokens
from rowspace.evaluate.sequence_training import fit_classifier
from rowspace.space.vectors import Vectors

DIM, N_ROWS = 6, 9
RECURRENT: tuple[Cell, ...] = ("gru", "lstm")


def _table(seed: int = 0) -> torch.Tensor:
    table = torch.randn(N_ROWS, DIM, generator=torch.Generator().manual_seed(seed))
    table[PADDING] = 0
    return table


def _classifier(cell: Cell, *, is_trained: bool = False, dropout: float = 0.0) -> Classifier:
    generator = torch.Generator().manual_seed(1)
    return Classifier(Rows(_table(), is_trained=is_trained), cell, 5, 3, generator, dropout)


@pytest.mark.parametrize("cell", CELLS)
def test_padding_changes_no_result(cell: Cell) -> None:
    model = _classifier(cell)
    short, long = np.array([3, 1, 4]), np.array([1, 5, 2, 6, 5, 3, 5])
    together = model(*padded([short, long, np.array([2])]))
    for row, ids in enumerate((short, long, np.array([2]))):
        torch.testing.assert_close(model(*padded([ids]))[0], together[row])


def test_states_are_those_of_torchs_own_gru() -> None:
    model = _classifier("gru")
    gru = torch.nn.GRU(DIM, 5, batch_first=True)
    assert isinstance(model.model, SequenceModel)
    gru.load_state_dict(model.model.cell.state_dict())
    ids = torch.tensor([[3, 1, 4]])
    expected = gru(_table()[ids])[0].amax(dim=1)
    torch.testing.assert_close(model.model.summary(ids, torch.tensor([3])), expected)


@pytest.mark.parametrize("cell", CELLS)
def test_a_frozen_table_does_not_move(cell: Cell) -> None:
    model = _classifier(cell)
    assert all("rows" not in name for name, _ in model.named_parameters())
    _step(model)
    torch.testing.assert_close(model.model.rows.weight, _table(), rtol=0, atol=0)


@pytest.mark.parametrize("cell", CELLS)
def test_a_trained_table_moves_where_it_is_read_and_its_padding_never(cell: Cell) -> None:
    model = _classifier(cell, is_trained=True)
    _step(model)
    moved = (model.model.rows.weight.detach() != _table()).any(dim=1)
    assert moved.tolist() == [row in (1, 2, 3) for row in range(N_ROWS)]


def _step(model: Classifier) -> None:
    adam = Adam(model, 0.1)
    logits = model(*padded([np.array([3, 1]), np.array([2, 2, 1])]))
    adam.step(torch.nn.functional.cross_entropy(logits, torch.tensor([0, 2])))


def test_dropout_is_drawn_by_the_models_own_generator() -> None:
    ids = padded([np.array([3, 1, 4])])
    first, second = _classifier("gru", dropout=0.5), _classifier("gru", dropout=0.5)
    torch.manual_seed(5)
    one = first(*ids)
    state = torch.get_rng_state()
    torch.testing.assert_close(one, second(*ids), rtol=0, atol=0)
    assert torch.equal(torch.get_rng_state(), state)  # nobody else's numbers were drawn
    assert not torch.equal(one, first(*ids))


def test_scaling_leaves_mean_0_and_variance_1_and_zeros() -> None:
    n = 5000  # more than a block
    rows = np.random.default_rng(0).normal(3, 5, size=(n, 4)).astype(np.float32)
    rows[7] = 0
    counts = np.arange(n)
    scale(rows, counts)
    weights = counts * (np.arange(n) != 7)
    mean = weights @ rows / weights.sum()
    assert mean == pytest.approx(0, abs=1e-5)
    assert weights @ (rows - mean) ** 2 / weights.sum() == pytest.approx(1, abs=1e-5)
    assert not rows[7].any()


def test_texts_that_are_classified_do_not_say_how_to_scale() -> None:
    def first_rows(reader: TokenVectors, last: list[str]) -> NDArray[np.float32]:
        make = contextual_inputs if reader.is_contextual else _frozen
        return make(reader, [["a", "b"], ["b"], last], 2).table[:3]

    known = Vectors(["a", "b", "c"], np.array([[1, 2], [3, 5], [90, -80]], dtype=np.float32))
    for reader in (WordTokens(known), _Contextual()):
        expected = first_rows(reader, ["a"])
        assert (first_rows(reader, ["c"] * 9) == expected).all() and expected.any()


def _frozen(reader: TokenVectors, texts: Sequence[Sequence[str]], n_scaled: int) -> Inputs:
    return word_table(reader, texts, n_scaled).inputs("frozen", 0)


def test_a_fine_tuned_table_starts_at_the_vectors_and_unknown_words_at_random() -> None:
    reader = WordTokens(Vectors(["cat", "dog"], np.array([[1, 2], [3, 5]], dtype=np.float32)))
    table = word_table(reader, [["cat", "xyzzy", "dog"]])
    frozen, tuned = table.inputs("frozen", 0), table.inputs("fine-tuned", 0)
    assert tuned.table[[1, 3]].tolist() == frozen.table[[1, 3]].tolist()
    assert not frozen.table[2].any() and tuned.table[2].any()
    assert not tuned.table[PADDING].any()
    assert not (table.inputs("random", 0).table[2] == table.inputs("random", 1).table[2]).any()


class _Contextual:
    """A word's vector is its place in the text, and the text's length."""

    dim, is_contextual, looks_ahead = 2, True, True

    def read(self, texts: Sequence[Sequence[str]]) -> list[NDArray[np.float32]]:
        return [
            np.array([[i, len(words)] for i in range(len(words))], dtype=np.float32).reshape(-1, 2)
            for words in texts
        ]


def test_contextual_rows_are_one_a_word_in_its_text() -> None:
    inputs = contextual_inputs(_Contextual(), [["a", "b"], [], ["a"]])
    assert [ids.tolist() for ids in inputs.ids] == [[1, 2], [], [3]]
    assert inputs.table.shape == (4, 2)
    assert (inputs.table[1] != inputs.table[3]).any()  # "a", in two texts


def _toy(n: int, *, ordered: bool, seed: int = 0) -> LabelledTexts:
    """Texts of six words with one `a` and one `b`: which comes first; or whether there is a `c`."""
    draw = np.random.default_rng(seed)
    texts: list[str] = []
    labels: list[str] = []
    while len(texts) < n:
        words = draw.choice(["u", "v", "w", "x", "y"], size=8).astype(object)
        first, second = sorted(draw.choice(8, size=2, replace=False))
        swapped = draw.random() < 0.5
        if ordered:
            words[first], words[second] = ("b", "a") if swapped else ("a", "b")
        elif swapped:
            words[first] = "c"
        if (text := " ".join(words)) not in texts:
            texts.append(text)
            labels.append(str(swapped))
    return LabelledTexts(texts=texts, labels=labels)


def _accuracy(cell: Cell, *, ordered: bool) -> float:
    texts = _toy(700, ordered=ordered)
    train = LabelledTexts(texts=texts.texts[:500], labels=texts.labels[:500])
    test = LabelledTexts(texts=texts.texts[500:], labels=texts.labels[500:])
    config = SequenceConfig(
        cells=(cell,), sizes=(500,), seeds=1, hidden=16, epochs=25, patience=6, dropout=0.0,
        learning_rates=(0.02,), n_test=None,
    )  # fmt: skip
    sequences = SequenceTask(TextTask(name="toy", train=train, test=test), config)
    keys = list("abcuvwxy")
    matrix = np.random.default_rng(3).normal(size=(len(keys), 8)).astype(np.float32)
    table = word_table(WordTokens(Vectors(keys, matrix)), sequences.texts)
    return float(train_one(table.inputs("frozen", 0), sequences, cell, 500, 0)[0].mean())


@pytest.mark.parametrize("cell", CELLS)
def test_what_can_be_told_by_a_word_is_learnt_by_all(cell: Cell) -> None:
    assert _accuracy(cell, ordered=False) > 0.98


@pytest.mark.parametrize("cell", RECURRENT)
def test_what_comes_first_is_learnt_by_a_recurrent_cell(cell: Cell) -> None:
    assert _accuracy(cell, ordered=True) > 0.95


def test_what_comes_first_is_not_in_the_mean() -> None:
    assert _accuracy("mean", ordered=True) < 0.7


def test_the_learning_rate_with_the_lowest_held_out_loss_is_kept() -> None:
    texts = _toy(60, ordered=False)
    task = TextTask(name="toy", train=texts, test=_toy(20, ordered=False, seed=1))
    config = SequenceConfig(sizes=(60,), seeds=1, hidden=8, epochs=5, learning_rates=(1e-6, 0.03))
    sequences = SequenceTask(task, config)
    keys = list("cuvwxy")
    reader = WordTokens(Vectors(keys, np.eye(len(keys), dtype=np.float32)))
    inputs = word_table(reader, sequences.texts).inputs("frozen", 0)
    train, held_out = sequences.sample(60, 0)
    fit = fit_classifier(inputs, train, held_out, 2, "gru", config, 0)
    assert fit.learning_rate == 0.03
    assert not set(train.texts) & set(held_out.texts)
    again = fit_classifier(inputs, train, held_out, 2, "gru", config, 0)
    assert again.held_out_loss == fit.held_out_loss


def test_settings_that_cannot_be_say_what_can() -> None:
    for settings, message in (
        ({"cells": ("rnn",)}, "give some of gru, lstm, mean"),
        ({"sizes": (5,)}, "10 or more"),
        ({"held_out": 1.0}, "between 0 and 1"),
        ({"learning_rates": ()}, "above 0"),
        ({"epochs": 0}, "epochs is 0; give 1 or more"),
    ):
        with pytest.raises(ConfigError, match=message):
            SequenceConfig(**settings)
