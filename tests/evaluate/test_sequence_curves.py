"""Learning curves of sequence models: what is kept, what is drawn, what is the same."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

from rowspace.errors import ConfigError, EvaluationError
from rowspace.evaluate import sequence_curves
from rowspace.evaluate.labelled_texts import LabelledTexts, TextTask
from rowspace.evaluate.sequence_config import SequenceConfig
from rowspace.evaluate.sequence_curves import learning_curves
from rowspace.evaluate.sequence_results import point_of
from rowspace.evaluate.sequence_task import SequenceTask, words_of
from rowspace.evaluate.sequence_tokens import WordTokens
from rowspace.space.vectors import Vectors

WORDS = [f"w{i}" for i in range(400)]
CONFIG = SequenceConfig(cells=("lstm",), sizes=(20, 40), seeds=2, hidden=8, epochs=2)


def _texts(n: int, seed: int) -> LabelledTexts:
    """Texts of words of the first or the second half, by label."""
    draw = np.random.default_rng(seed)
    labels = draw.integers(2, size=n)
    texts = [" ".join(draw.choice(WORDS[200 * k : 200 * k + 200], size=6)) for k in labels]
    return LabelledTexts(texts=texts, labels=[str(label) for label in labels])


@pytest.fixture
def task() -> TextTask:
    return TextTask(name="halves", train=_texts(60, 0), test=_texts(30, 1))


@pytest.fixture
def reader() -> WordTokens:
    halves = np.repeat([[1.0, 0.0], [0.0, 1.0]], 200, axis=0)
    noise = np.random.default_rng(0).normal(scale=0.1, size=(400, 2))
    return WordTokens(Vectors(WORDS, (halves + noise).astype(np.float32)))


def test_a_run_is_not_repeated_and_results_are_equal_after_an_interrupt(
    task: TextTask, reader: WordTokens, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = learning_curves({"v": reader}, task, CONFIG, threads=1)
    train_one, n_trained = sequence_curves.train_one, 0

    def interrupted(*arguments: object) -> object:
        nonlocal n_trained
        if n_trained == 5:
            raise KeyboardInterrupt
        n_trained += 1
        return train_one(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(sequence_curves, "train_one", interrupted)
    with pytest.raises(KeyboardInterrupt):
        learning_curves({"v": reader}, task, CONFIG, out=tmp_path, threads=1)
    assert len(list((tmp_path / "runs").iterdir())) == 5
    n_trained = -100
    resumed = learning_curves({"v": reader}, task, CONFIG, out=tmp_path, threads=2)
    assert n_trained == -100 + len(whole.runs) - 5
    assert resumed.as_dict() == whole.as_dict()
    assert len(whole.runs) == 4 * 2 * 2  # kinds, sizes, seeds


def test_other_vectors_or_settings_are_other_runs(
    task: TextTask, reader: WordTokens, tmp_path: Path
) -> None:
    config = SequenceConfig(cells=("mean",), sizes=(20,), seeds=1, epochs=2)
    learning_curves({"v": reader}, task, config, out=tmp_path)
    n = len(list((tmp_path / "runs").iterdir()))
    other = WordTokens(Vectors(WORDS, reader.vectors.matrix[::-1].copy()))
    learning_curves({"v": other}, task, config, out=tmp_path)
    assert len(list((tmp_path / "runs").iterdir())) == n + 2  # random tables are the same
    learning_curves(
        {"v": reader}, task, SequenceConfig(**{**vars(config), "epochs": 1}), out=tmp_path
    )
    assert len(list((tmp_path / "runs").iterdir())) == 2 * n + 2


def test_vectors_that_tell_the_label_need_few_examples(task: TextTask, reader: WordTokens) -> None:
    config = SequenceConfig(
        cells=("lstm",), sizes=(20,), seeds=1, hidden=8, epochs=15, learning_rates=(0.03,)
    )
    curves = learning_curves({"v": reader}, task, config)
    frozen, random = (curves.points(name, "lstm")[0].mean for name in ("v, frozen", "random"))
    assert frozen > 0.95 > random + 0.1


def test_all_kinds_have_the_same_texts_and_none_is_held_out_and_learnt(task: TextTask) -> None:
    sequences = SequenceTask(task, CONFIG)
    small, held_out = sequences.sample(20, 0)
    large, more_held_out = sequences.sample(40, 0)
    assert len(small) + len(held_out) == 20 and len(held_out) == 4
    assert not set(small.texts) & set(held_out.texts)
    assert {*small.texts, *held_out.texts} <= {*large.texts, *more_held_out.texts}
    assert set(small.texts) != set(sequences.sample(20, 1)[0].texts)
    assert sequences.test.texts.min() == sequences.n_train  # none is among those learnt from
    words = [words_of(text) for text in task.test.texts]
    assert [sequences.texts[text] for text in sequences.test.texts] == words


def test_more_texts_are_asked_for_than_there_are(task: TextTask) -> None:
    assert SequenceTask(task, SequenceConfig(sizes=(50, 1000, 2000))).sizes == (50, 60)
    few = TextTask(name="few", train=_texts(9, 0), test=task.test)
    with pytest.raises(EvaluationError, match="few has 9 texts to learn from; give 10 or more"):
        SequenceTask(few, CONFIG)


def test_an_interval_is_students() -> None:
    point = point_of(10, [0.5, 0.6, 0.7])
    # t of 2 degrees of freedom at 97.5 % is 4.3027; the standard error 0.1 / sqrt(3).
    assert point.high - point.mean == pytest.approx(4.3027 * 0.1 / 3**0.5, rel=1e-4)
    assert np.isnan(point_of(10, [0.5]).low)


def test_what_cannot_be_asked_for(task: TextTask, reader: WordTokens) -> None:
    with pytest.raises(ConfigError, match="there is no reader"):
        learning_curves({}, task, CONFIG)
    with pytest.raises(ConfigError, match="threads is 0; give 1 or more"):
        learning_curves({"v": reader}, task, CONFIG, threads=0)
