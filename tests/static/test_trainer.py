"""What every static trainer does: more text, early stopping, callbacks, saving and loading."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rowspace.errors import ConfigError, FormatError, VocabularyError
from rowspace.space.formats import load
from rowspace.static.training import EpochReport, Training
from rowspace.static.word2vec import Word2Vec
from rowspace.text.corpus import Corpus

OLD = [["cat", "sits", "on", "mat"], ["dog", "sits", "on", "rug"]] * 60
NEW = [["cow", "sits", "on", "grass"], ["cat", "eats", "grass", "rarely"]] * 20 + [["once"]]
LOSSES = ("negative_sampling", "hierarchical_softmax")


def _trainer(**settings: Any) -> Word2Vec:
    small: dict[str, Any] = {
        "dim": 12, "min_count": 2, "epochs": 2, "n_threads": 1, "subsample": 0,
    }  # fmt: skip
    return Word2Vec(**(small | settings))


@pytest.mark.parametrize("architecture", ["skipgram", "cbow"])
@pytest.mark.parametrize("loss", LOSSES)
def test_new_text_adds_words_and_merges_counts(loss: str, architecture: str) -> None:
    trainer = _trainer(loss=loss, architecture=architecture)
    before = trainer.fit(OLD)
    after = trainer.update(NEW)
    report = trainer.update_report
    assert report is not None
    assert set(report.added) == {"cow", "grass", "eats", "rarely"}
    assert set(report.unseen) == {"dog", "mat", "rug"}
    assert (report.dropped, report.n_rare_words, report.n_rare_tokens) == ([], 1, 1)
    assert before.counts is not None and after.counts is not None
    counts = dict(zip(after.index_to_key, after.counts.tolist(), strict=True))
    assert counts == {
        "cat": 80, "sits": 140, "on": 140, "mat": 60, "dog": 60, "rug": 60, "cow": 20, "grass": 40,
        "eats": 20, "rarely": 20,
    }  # fmt: skip
    assert after.counts.tolist() == sorted(after.counts.tolist(), reverse=True)
    np.testing.assert_array_equal(after[["mat", "rug"]], before[["mat", "rug"]])  # not seen
    assert not np.array_equal(after["cat"], before["cat"])


@pytest.mark.parametrize("architecture", ["skipgram", "cbow"])
@pytest.mark.parametrize("loss", LOSSES)
def test_frozen_words_stay_and_new_ones_learn(loss: str, architecture: str) -> None:
    trainer = _trainer(loss=loss, architecture=architecture)
    before = trainer.fit(OLD)
    after = trainer.update(NEW, freeze=True)
    np.testing.assert_array_equal(after[before.index_to_key], before.matrix)
    assert trainer.history[-1].loss < trainer.history[0].loss
    again = trainer.update(NEW, freeze=["cow"])
    np.testing.assert_array_equal(again["cow"], after["cow"])
    assert not np.array_equal(again["grass"], after["grass"])


def test_a_new_word_finds_its_place() -> None:
    generator = np.random.default_rng(0)

    def sentences(topic: str, first: int, n: int) -> list[list[str]]:
        return [[f"{topic}{i}" for i in generator.integers(first, 10, 8)] for _ in range(n)]

    trainer = _trainer(learning_rate=0.1, epochs=5)
    trainer.fit([*sentences("a", 1, 300), *sentences("b", 1, 300)])
    vectors = trainer.update([*sentences("a", 0, 100), *sentences("b", 0, 100)])
    for topic in "ab":
        nearest = [key[0] for key, _ in vectors.most_similar(f"{topic}0", topn=6)]
        assert nearest.count(topic) >= 5


def test_max_words_pushes_rare_old_words_out() -> None:
    trainer = _trainer(max_words=6)
    trainer.fit(OLD)
    vectors = trainer.update([["new", "word"]] * 200)
    assert vectors.index_to_key[:2] == ["new", "word"] and len(vectors) == 6
    assert trainer.update_report is not None
    assert len(trainer.update_report.dropped) == 2


def test_updates_need_a_model_with_counts_and_known_words() -> None:
    with pytest.raises(ConfigError, match="nothing is trained yet; call fit or load first"):
        _trainer().update(NEW)
    trainer = _trainer()
    trainer.fit(OLD)
    with pytest.raises(VocabularyError, match="no vector for 'zebra'"):
        trainer.update(NEW, freeze=["zebra"])


@pytest.mark.parametrize("loss", LOSSES)
def test_a_saved_model_goes_on_as_the_one_in_memory(tmp_path: Path, loss: str) -> None:
    trainer = _trainer(loss=loss)
    trainer.fit(OLD)
    trainer.save(tmp_path / "model")
    np.testing.assert_array_equal(load(tmp_path / "model").matrix, trainer.vectors.matrix)  # type: ignore[union-attr]
    loaded = Word2Vec.load(tmp_path / "model")
    assert loaded.config == trainer.config
    np.testing.assert_array_equal(loaded.update(NEW).matrix, trainer.update(NEW).matrix)
    trainer.save(tmp_path / "model")  # with a tree that was joined
    loaded = Word2Vec.load(tmp_path / "model", epochs=3)
    assert loaded.config.epochs == 3
    assert len(loaded.update(OLD).matrix) == 10


def test_what_cannot_be_loaded_says_why(tmp_path: Path) -> None:
    trainer = _trainer()
    vectors = trainer.fit(OLD)
    vectors.save(tmp_path / "only")
    with pytest.raises(FormatError, match=r"has vectors, but no training\.json, so"):
        Word2Vec.load(tmp_path / "only")
    trainer.save(tmp_path / "model")
    with pytest.raises(ConfigError, match="dim 12 and loss negative_sampling, which cannot change"):
        Word2Vec.load(tmp_path / "model", dim=13)
    _trainer(seed=2).fit(OLD).save(tmp_path / "model")
    with pytest.raises(FormatError, match="were not saved together"):
        Word2Vec.load(tmp_path / "model")
    (tmp_path / "model" / "training.safetensors").write_bytes(b"short")
    with pytest.raises(FormatError, match=r"training.safetensors is missing or damaged"):
        Word2Vec.load(tmp_path / "model")
    (tmp_path / "model" / "training.json").write_text("{")
    with pytest.raises(FormatError, match=r"training.json is damaged"):
        Word2Vec.load(tmp_path / "model")


def test_an_update_in_a_folder_goes_on_only_with_the_same_model(tmp_path: Path) -> None:
    text = tmp_path / "new.txt"
    text.write_text("\n".join(" ".join(words) for words in NEW))
    trainer, other = _trainer(), _trainer(seed=3)
    trainer.fit(OLD)
    other.fit(OLD)
    trainer.save(tmp_path / "model")
    expected = Word2Vec.load(tmp_path / "model").update(text).matrix
    for _ in range(2):  # the second time all is found in the folder
        loaded = Word2Vec.load(tmp_path / "model")
        matrix = loaded.update_in(Corpus(text), tmp_path / "work").matrix
        np.testing.assert_array_equal(matrix, expected)
        assert loaded.update_report is not None and "cow" in loaded.update_report.added
    with pytest.raises(ConfigError, match="another corpus or with other settings"):
        other.update_in(Corpus(text), tmp_path / "work")
    with pytest.raises(ConfigError, match="another corpus or with other settings"):
        Word2Vec.load(tmp_path / "model").update_in(Corpus(text), tmp_path / "work", freeze=True)


def test_training_stops_when_the_held_out_loss_rises_and_returns_the_best() -> None:
    generator = np.random.default_rng(0)
    noise = [[str(i) for i in generator.integers(0, 40, 10)] for _ in range(300)]
    seen = []
    trainer = _trainer(held_out=0.2, patience=2, epochs=60, learning_rate=0.2, dim=40)
    vectors = trainer.fit(noise, on_epoch_end=lambda _, now: seen.append(now.matrix))
    losses = [report.held_out_loss for report in trainer.history]
    best = losses.index(min(losses))  # type: ignore[type-var]
    assert best + 1 + 2 == len(losses) < 60  # random text can only be learned by heart
    np.testing.assert_array_equal(vectors.matrix, seen[best])


def test_an_interrupt_while_the_held_out_text_is_measured_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    generator = np.random.default_rng(0)
    lines = (" ".join(f"w{i}" for i in generator.integers(0, 40, 10)) for _ in range(300))
    (tmp_path / "a.txt").write_text("\n".join(lines))
    settings: dict[str, Any] = {"held_out": 0.2, "patience": 2, "epochs": 60, "learning_rate": 0.2}
    whole = _trainer(**settings)
    expected = whole.fit_in(Corpus(tmp_path / "a.txt"), tmp_path / "whole")
    n_left = 2

    def interrupted(training: Training) -> float:
        nonlocal n_left
        n_left -= 1
        if n_left == 0:
            raise KeyboardInterrupt
        return measure(training)

    measure = Training.held_out_loss
    monkeypatch.setattr(Training, "held_out_loss", interrupted)
    with pytest.raises(KeyboardInterrupt):
        _trainer(**settings).fit_in(Corpus(tmp_path / "a.txt"), tmp_path / "work")
    again = _trainer(**settings)
    vectors = again.fit_in(Corpus(tmp_path / "a.txt"), tmp_path / "work")
    assert [r.held_out_loss for r in again.history] == [r.held_out_loss for r in whole.history]
    np.testing.assert_array_equal(vectors.matrix, expected.matrix)


def test_held_out_text_does_not_train_and_its_loss_is_repeatable() -> None:
    text = [["a", "b", "c", "d"]] * 400
    one, other = _trainer(held_out=0.1), _trainer(held_out=0.1)
    one.fit(text)
    other.fit(text)
    assert [r.held_out_loss for r in one.history] == [r.held_out_loss for r in other.history]
    assert one.history[-1].held_out_loss == pytest.approx(one.history[-1].loss, rel=0.3)
    with pytest.raises(ConfigError, match=r"held_out is 0\.9; give a share from 0"):
        _trainer(held_out=0.9)
    with pytest.raises(ConfigError, match="held_out leaves nothing of 5 tokens to train on"):
        _trainer(held_out=0.5).fit([["a", "a", "a", "a"]])


def test_a_callback_that_returns_false_ends_training() -> None:
    trainer = _trainer(epochs=9)
    trainer.fit(OLD, on_epoch_end=lambda report, _: report.epoch < 3)
    assert [report.epoch for report in trainer.history] == [1, 2, 3]


def test_a_loss_that_is_not_a_number_ends_training_with_advice() -> None:
    with pytest.raises(ConfigError, match="training diverged; give a learning_rate below 9"):
        _trainer(learning_rate=9.0, epochs=60, architecture="cbow", cbow_mean=False,
                 cbow_gradient="classic").fit(OLD)  # fmt: skip


def test_the_speed_of_an_update_counts_the_new_text_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    words = []
    report = Training.report

    def counting(run: Training, epoch: int, loss: float) -> EpochReport:
        told = report(run, epoch, loss)
        words.append(told.words_per_second * run.seconds)
        return told

    trainer = _trainer(epochs=1)
    trainer.fit(OLD)
    monkeypatch.setattr(Training, "report", counting)
    trainer.update([["cat", "sits", "on", "mat"]] * 10)
    assert 40 <= round(words[0]) <= 50  # it may count the sentences' ends
