"""The history of a training: complete, bounded, and without a trace in what is trained."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rowspace.errors import FormatError
from rowspace.space.formats import load
from rowspace.space.history import History, history_file, history_of, load_history
from rowspace.static import recording
from rowspace.static.fasttext import FastText
from rowspace.static.glove import GloVe
from rowspace.static.recording import Recorder, steps_of
from rowspace.static.run import Run
from rowspace.static.word2vec import Word2Vec, initial_vectors
from rowspace.text.corpus import Corpus
from rowspace.text.vocabulary import VocabularyConfig, scan_sequences

TRAINERS = (Word2Vec, FastText, GloVe)
SMALL: dict[str, Any] = {"dim": 12, "min_count": 1, "epochs": 3, "n_threads": 1}


def _sentences() -> list[list[str]]:
    rng = np.random.default_rng(0)
    words = [f"{'abcdefgh'[i % 8]}word{'xyz'[i % 3]}{'klmnopq'[i % 7]}" for i in range(160)]
    return [[words[i] for i in rng.integers(len(words), size=12)] for _ in range(300)]


def _corpus(folder: Path) -> Corpus:
    text = folder / "text.txt"
    text.write_text("".join(" ".join(sentence) + "\n" for sentence in _sentences()))
    return Corpus(text)


def _name(trainer: type) -> str:
    return "model.bin" if trainer is FastText else "model"


@pytest.mark.parametrize("trainer", TRAINERS)
def test_a_history_does_not_change_one_bit(trainer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with_history = trainer(**SMALL)
    recorded = with_history.fit(_sentences())
    monkeypatch.setattr(Run, "_start_recording", lambda self: None)
    without_history = trainer(**SMALL)
    plain = without_history.fit(_sentences())
    assert with_history.snapshots is not None and without_history.snapshots is None
    np.testing.assert_array_equal(recorded.matrix, plain.matrix)
    np.testing.assert_array_equal(with_history.context_matrix, without_history.context_matrix)


@pytest.mark.parametrize("trainer", TRAINERS)
@pytest.mark.parametrize("n_threads", [1, 2])
def test_the_last_step_is_the_trained_model(trainer: Any, n_threads: int) -> None:
    model = trainer(**SMALL | {"n_threads": n_threads})
    vectors = model.fit(_sentences())
    history = model.snapshots
    assert history is not None and history.is_of(vectors)
    assert history.steps[-1].share == 1 and history.steps[-1].epoch == 3
    np.testing.assert_array_equal(history.matrices[-1], vectors[history.words].astype(np.float16))


def test_the_first_step_is_before_training(tmp_path: Path) -> None:
    model = Word2Vec(**SMALL)
    vocabulary, ids = scan_sequences(_sentences(), tmp_path, VocabularyConfig(min_count=1))
    model.fit_ids(vocabulary, ids)
    history = model.snapshots
    assert history is not None
    before = initial_vectors(vocabulary, model.config)[history.words]
    np.testing.assert_array_equal(history.matrices[0], before.astype(np.float16))
    assert (history.steps[0].share, history.steps[0].loss, history.steps[0].n_read) == (0, None, 0)
    assert not history.is_of(initial_vectors(vocabulary, model.config))


def test_the_vectors_of_fasttext_count_their_ngrams_from_the_start() -> None:
    seen = []
    model = FastText(**SMALL | {"epochs": 1})
    model.fit(_sentences(), on_epoch_end=lambda _, now: seen.append(np.array(now.matrix)))
    history = model.snapshots
    assert history is not None and model.vectors is not None
    rows = [model.vectors.get_index(word) for word in history.words]
    np.testing.assert_allclose(history.matrices[-1], seen[-1][rows], rtol=1e-3, atol=1e-6)


def test_steps_rise_and_losses_are_those_of_the_epochs() -> None:
    model = Word2Vec(**SMALL | {"epochs": 25})
    model.fit(_sentences())
    history = model.snapshots
    assert history is not None
    shares = [step.share for step in history.steps]
    assert shares == sorted(set(shares)) and shares[0] == 0
    assert 10 <= len(shares) <= 30
    rates = [step.learning_rate for step in history.steps]
    assert rates == sorted(rates, reverse=True)
    told = {report.epoch: report.loss for report in model.history}
    whole = [
        (step.loss, told[round(step.epoch)])
        for before, step in pairwise(history.steps)
        if step.epoch - before.epoch == 1
    ]
    assert len(whole) > 10
    assert [step for step, _ in whole] == pytest.approx([epoch for _, epoch in whole])


@pytest.mark.parametrize(
    ("epochs", "n_pieces"), [(1, 1), (1, 64), (2, 3), (5, 64), (15, 10), (20, 9), (21, 7), (999, 2)]
)
def test_steps_are_spread_over_the_training_and_few(epochs: int, n_pieces: int) -> None:
    steps = steps_of(epochs, n_pieces)
    total = epochs * n_pieces
    assert max(steps) == total and min(steps) >= 1
    assert min(total, 10) <= len(steps) <= 29
    if epochs <= 20:
        assert {epoch * n_pieces for epoch in range(1, epochs + 1)} <= steps
    gaps = np.diff([0, *sorted(steps)])
    assert gaps.max() <= max(n_pieces, -(-total // 10))


def test_a_history_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recording, "MOST_BYTES", 20_000)
    model = Word2Vec(**SMALL)
    model.fit(_sentences())
    assert model.snapshots is not None
    assert 10_000 < model.snapshots.matrices.nbytes <= 20_000
    monkeypatch.setattr(recording, "N_WORDS", 7)
    model.fit(_sentences())
    assert len(model.snapshots.words) == 7


@pytest.mark.parametrize("trainer", TRAINERS)
def test_a_resumed_training_has_the_whole_history(
    trainer: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    corpus = _corpus(tmp_path)
    whole = trainer(**SMALL)
    whole.fit_in(corpus, tmp_path / "whole")
    stopped = trainer(**SMALL)
    follow, n_calls = Recorder.follow, 0

    def interrupted(self: Recorder, *arguments: Any) -> None:
        nonlocal n_calls
        follow(self, *arguments)
        n_calls += 1
        if n_calls in (3, 17):
            raise KeyboardInterrupt

    monkeypatch.setattr(Recorder, "follow", interrupted)
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            stopped.fit_in(corpus, tmp_path / "work")
        stopped = trainer(**SMALL)
    vectors = stopped.fit_in(corpus, tmp_path / "work")
    assert n_calls >= 17 and whole.vectors is not None
    np.testing.assert_array_equal(vectors.matrix, whole.vectors.matrix)
    _assert_same(stopped.snapshots, whole.snapshots)


def _assert_same(one: History | None, other: History | None) -> None:
    assert one is not None and other is not None
    assert (one.words, one.steps, one.unit) == (other.words, other.steps, other.unit)
    np.testing.assert_array_equal(one.matrices, other.matrices)


def test_a_checkpoint_from_before_there_were_histories_goes_on_without(tmp_path: Path) -> None:
    corpus, work = _corpus(tmp_path), tmp_path / "work"
    model = Word2Vec(**SMALL)
    monkeypatch = pytest.MonkeyPatch()
    with monkeypatch.context() as patched:
        patched.setattr(Run, "_start_recording", lambda self: None)
        patched.setattr(Run, "after_epoch", _interrupt)
        with pytest.raises(KeyboardInterrupt):
            model.fit_in(corpus, work)
    assert not (work / "checkpoint" / "history.safetensors").exists()
    model.fit_in(corpus, work)
    assert model.snapshots is None
    model.save(tmp_path / "model")
    assert load_history(tmp_path / "model") is None


def _interrupt(*_: Any) -> None:
    raise KeyboardInterrupt


def test_early_stopping_ends_the_history_at_the_best_epoch() -> None:
    model = Word2Vec(**SMALL | {"epochs": 30, "held_out": 0.1, "learning_rate": 1.0})
    vectors = model.fit(_sentences())
    losses = [report.held_out_loss or 0.0 for report in model.history]
    assert len(losses) < 30, "it stopped early"
    history = model.snapshots
    assert history is not None and history.is_of(vectors)
    assert history.steps[-1].epoch == losses.index(min(losses)) + 1


def test_stopping_between_two_steps_adds_the_last(monkeypatch: pytest.MonkeyPatch) -> None:
    model = Word2Vec(**SMALL | {"epochs": 200})
    vectors = model.fit(_sentences(), on_epoch_end=lambda report, _: report.epoch < 13)
    history = model.snapshots
    assert history is not None and history.is_of(vectors)
    assert [step.epoch for step in history.steps[-2:]] == [10, 13]


@pytest.mark.parametrize("trainer", TRAINERS)
def test_a_saved_model_has_its_history(trainer: Any, tmp_path: Path) -> None:
    model = trainer(**SMALL)
    vectors = model.fit(_sentences())
    path = tmp_path / _name(trainer)
    model.save(path)
    _assert_same(load_history(path), model.snapshots)
    assert history_of(path, load(path)) is not None
    assert vectors.index_to_key == load(path).index_to_key


@pytest.mark.parametrize("trainer", [Word2Vec, FastText])
def test_a_model_that_goes_on_has_the_history_of_the_new_text(trainer: Any, tmp_path: Path) -> None:
    path = tmp_path / _name(trainer)
    model = trainer(**SMALL)
    before = model.fit(_sentences())
    model.save(path)
    again = trainer.load(path)
    _assert_same(again.snapshots, model.snapshots)
    after = again.update([["new", "bwordyl", "awordxk"]] * 40)
    history = again.snapshots
    assert history is not None and history.is_of(after)
    word = next(word for word in history.words if word in before)
    start = history.matrices[0][history.words.index(word)]
    np.testing.assert_allclose(start, before[word], rtol=1e-3, atol=1e-6)


def test_other_vectors_in_the_same_folder_have_no_history(tmp_path: Path) -> None:
    model = Word2Vec(**SMALL)
    model.fit(_sentences())
    model.save(tmp_path / "model")
    other = Word2Vec(**SMALL | {"seed": 2}).fit(_sentences())
    other.save(tmp_path / "model")
    assert load_history(tmp_path / "model") is not None
    assert history_of(tmp_path / "model", load(tmp_path / "model")) is None


def test_a_model_saved_over_another_takes_its_history_along(tmp_path: Path) -> None:
    path = tmp_path / "model"
    for seed in (1, 2):
        model = Word2Vec(**SMALL | {"seed": seed})
        model.fit(_sentences())
        model.save(path)
    _assert_same(load_history(path), model.snapshots)
    model.snapshots = None
    model.save(path)
    assert not history_file(path).exists()


def test_a_damaged_checkpoint_of_a_history_is_told(tmp_path: Path) -> None:
    corpus, work = _corpus(tmp_path), tmp_path / "work"
    model = Word2Vec(**SMALL)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Run, "after_epoch", _interrupt)
        with pytest.raises(KeyboardInterrupt):
            model.fit_in(corpus, work)
    file = work / "checkpoint" / "history.safetensors"
    file.write_bytes(file.read_bytes()[:-10])
    with pytest.raises(FormatError, match="truncated"):
        Word2Vec(**SMALL).fit_in(corpus, work)
