from __future__ import annotations

import dataclasses
import itertools
import math
import os
import signal
import time
from pathlib import Path

import numpy as np
import pytest

from rowspace.errors import ConfigError, CorpusError, FormatError, VocabularyError
from rowspace.space.vectors import Vectors
from rowspace.static import training as training_module
from rowspace.static.run import mix
from rowspace.static.training import EpochReport, Training
from rowspace.static.word2vec import Word2Vec, Word2VecConfig
from rowspace.text.corpus import Corpus
from rowspace.text.vocabulary import TokenIds, Vocabulary, VocabularyConfig, scan_sequences

SMALL = Word2VecConfig(
    dim=12, min_count=1, epochs=3, n_threads=1, subsample=0, window=3, learning_rate=0.1
)


def _with(**settings: object) -> Word2Vec:
    return Word2Vec(dataclasses.replace(SMALL, **settings))  # type: ignore[arg-type]


def _topics(n_sentences: int = 400, seed: int = 0) -> list[list[str]]:
    """Sentences of one topic each: of the words a0..a9 or of the words b0..b9."""
    generator = np.random.default_rng(seed)
    return [
        [f"{topic}{i}" for i in generator.integers(0, 10, 8)]
        for _ in range(n_sentences)
        for topic in generator.choice(["a", "b"], 1)
    ]


def _random_sentences(n_words: int, n_sentences: int = 100) -> list[list[int]]:
    rows: list[list[int]] = (
        np.random.default_rng(1).integers(0, n_words, (n_sentences, 10)).tolist()
    )
    return rows


def _scan(folder: Path, sentences: list[list[str]]) -> tuple[Vocabulary, TokenIds]:
    folder.mkdir(exist_ok=True)
    return scan_sequences(sentences, folder, VocabularyConfig(min_count=1))


def _share_of_neighbors_in_topic(vectors: Vectors) -> float:
    """Of each word's nine nearest words by cosine, how many are of its topic."""
    unit = vectors.matrix / np.linalg.norm(vectors.matrix, axis=1, keepdims=True)
    similarities = unit @ unit.T
    np.fill_diagonal(similarities, -2)
    keys = vectors.index_to_key
    hits = [
        keys[j][0] == keys[i][0] for i in range(len(keys)) for j in np.argsort(-similarities[i])[:9]
    ]
    return float(np.mean(hits))


def test_one_thread_gives_the_same_bits_each_time_and_the_seed_changes_them() -> None:
    sentences = _topics(100)
    first, again, other = (_with(seed=seed).fit(sentences).matrix for seed in (1, 1, 2))
    assert first.tobytes() == again.tobytes()
    assert not np.array_equal(first, other)


@pytest.mark.parametrize(
    ("architecture", "sigmoid", "gradient", "mean"),
    [
        *itertools.product(["skipgram"], ["polynomial", "exact"], ["corrected"], [True]),
        *itertools.product(
            ["cbow"], ["polynomial", "exact"], ["corrected", "classic"], [True, False]
        ),
    ],
)
def test_every_mode_moves_both_matrices_and_finds_the_topics(
    architecture: str, sigmoid: str, gradient: str, mean: bool
) -> None:
    model = _with(
        architecture=architecture,
        sigmoid=sigmoid,
        cbow_gradient=gradient,
        cbow_mean=mean,
        epochs=8,
        learning_rate=0.2 if mean else 0.05,
    )
    vectors = model.fit(_topics())
    assert model.context_matrix is not None
    assert np.abs(model.context_matrix).max() > 0.1  # it starts at zero
    assert np.abs(vectors.matrix).max() > 0.5 / 12  # it starts in ±0.5 / dim
    assert np.isfinite(vectors.matrix).all() and np.isfinite(model.context_matrix).all()
    assert _share_of_neighbors_in_topic(vectors) > 0.95
    assert model.history[-1].loss < model.history[0].loss


@pytest.mark.parametrize("n_threads", [1, 2, 4])
def test_threads_find_the_same_neighbors(n_threads: int) -> None:
    vectors = _with(n_threads=n_threads, epochs=8, learning_rate=0.2).fit(_topics())
    assert _share_of_neighbors_in_topic(vectors) > 0.95


@pytest.mark.parametrize("architecture", ["skipgram", "cbow"])
@pytest.mark.parametrize("n_negative", [1, 5, 15])
def test_the_loss_begins_at_that_of_a_coin_for_every_pair(
    architecture: str, n_negative: int
) -> None:
    model = _with(
        architecture=architecture,
        n_negative=n_negative,
        epochs=1,
        learning_rate=1e-9,
        min_learning_rate=0.0,
    )
    model.fit(_random_sentences(300))
    assert model.history[0].loss == pytest.approx((n_negative + 1) * math.log(2), rel=0.01)


def test_the_loss_falls_and_the_rate_with_it() -> None:
    model = _with(epochs=5, min_learning_rate=0.001)
    model.fit(_topics())
    losses = [report.loss for report in model.history]
    assert losses == sorted(losses, reverse=True)
    assert [report.epoch for report in model.history] == [1, 2, 3, 4, 5]
    assert [report.learning_rate for report in model.history] == pytest.approx(
        [0.08, 0.06, 0.04, 0.02, 0.001]
    )


def test_vectors_come_most_frequent_first_with_counts_and_settings() -> None:
    vectors = _with(dim=5).fit([["b", "a", "b"], ["c", "b", "a"]])
    assert vectors.index_to_key == ["b", "a", "c"]
    assert vectors.counts is not None and vectors.counts.tolist() == [3, 2, 1]
    assert vectors.matrix.shape == (3, 5)
    assert vectors.metadata["config"]["dim"] == 5


def test_items_of_any_type_are_embedded() -> None:
    sequences = [
        [int(word[1:]) + (100 if word[0] == "b" else 200) for word in sentence]
        for sentence in _topics()
    ]
    vectors = _with(epochs=8, learning_rate=0.2).fit(sequences)
    assert set(vectors.index_to_key) == {str(i) for i in [*range(100, 110), *range(200, 210)]}
    assert _share_of_neighbors_in_topic(vectors) > 0.95


def test_a_text_file_trains_as_its_sentences_do(tmp_path: Path) -> None:
    sentences = _topics(50)
    path = tmp_path / "a.txt"
    path.write_text("\n".join(map(" ".join, sentences)))
    expected = _with().fit(sentences).matrix
    for corpus in (path, str(path), Corpus(path)):
        np.testing.assert_array_equal(_with().fit(corpus).matrix, expected)


def test_a_word_that_keep_word_refuses_has_no_vector() -> None:
    vectors = _with().fit(_topics(50), keep_word=lambda word, count: word.startswith("a"))
    assert {key[0] for key in vectors.index_to_key} == {"a"}


@pytest.mark.parametrize("sentences", [[["a"]], [["a", "a", "a"]], [["a"], ["b"]], [["a", "b"]]])
def test_the_smallest_texts_train(sentences: list[list[str]]) -> None:
    for architecture in ("skipgram", "cbow"):
        model = _with(architecture=architecture, dim=1, window=1, n_negative=1)
        assert np.isfinite(model.fit(sentences).matrix).all()
        assert all(math.isfinite(report.loss) for report in model.history)


def test_no_words_and_no_frequent_words_are_errors() -> None:
    with pytest.raises(CorpusError, match="the corpus has no word in it; give some text"):
        _with().fit([[], []])
    with pytest.raises(VocabularyError, match="no word occurs 9 times in 2 tokens; lower min"):
        _with(min_count=9).fit([["a", "b"]])


def test_each_epoch_is_reported_with_vectors_that_training_goes_on_to_change() -> None:
    seen: list[tuple[EpochReport, Vectors]] = []
    model = _with()
    final = model.fit(_topics(60), on_epoch_end=lambda *report: seen.append(report))
    assert [report for report, _ in seen] == model.history
    assert len(model.history) == 3
    matrices = [vectors.matrix for _, vectors in seen]
    assert not np.array_equal(matrices[0], matrices[1])
    np.testing.assert_array_equal(matrices[2], final.matrix)


def test_random_states_of_pieces_are_different_and_never_zero() -> None:
    states = {mix(seed, number) for seed in range(20) for number in range(500)}
    assert len(states) == 10_000 and 0 not in states
    assert all(0 < state < 2**64 for state in states)


class _Stopper:
    """Stands in for `train_piece`: an interrupt reaches the run at its n-th piece."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, stop_at: int) -> None:
        self.stop_at = stop_at
        self.n_calls = 0
        train_piece = Training.train_piece

        def stopping(training: Training, number: int) -> tuple[float, int]:
            self.n_calls += 1
            if self.n_calls == self.stop_at:
                raise KeyboardInterrupt
            return train_piece(training, number)

        monkeypatch.setattr(Training, "train_piece", stopping)


@pytest.mark.parametrize("architecture", ["skipgram", "cbow"])
@pytest.mark.parametrize("stop_at", [1, 2, 5, 8])
def test_an_interrupted_run_goes_on_to_the_same_bits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, architecture: str, stop_at: int
) -> None:
    vocabulary, ids = _scan(tmp_path, _topics(90))  # 810 ids: four pieces an epoch
    whole = _with(architecture=architecture)
    expected = whole.fit_ids(vocabulary, ids).matrix
    stopper = _Stopper(monkeypatch, stop_at)
    resumed = _with(architecture=architecture)
    with pytest.raises(KeyboardInterrupt):
        resumed.fit_ids(vocabulary, ids, checkpoint=tmp_path / "checkpoint")
    resumed = _with(architecture=architecture)
    vectors = resumed.fit_ids(vocabulary, ids, checkpoint=tmp_path / "checkpoint")
    assert stopper.n_calls == 3 * 4 + 1  # no piece twice
    np.testing.assert_array_equal(vectors.matrix, expected)
    np.testing.assert_array_equal(resumed.context_matrix, whole.context_matrix)
    assert [report.loss for report in resumed.history] == [report.loss for report in whole.history]


def test_an_interrupt_from_the_keyboard_lets_the_piece_finish_and_loses_no_epoch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    vocabulary, ids = _scan(tmp_path, _topics(90))
    whole = _with()
    expected = whole.fit_ids(vocabulary, ids).matrix
    train_piece = Training.train_piece
    last_of_epoch = [3]

    def interrupted(training: Training, number: int) -> tuple[float, int]:
        if number in last_of_epoch:
            last_of_epoch.clear()
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.2)
        return train_piece(training, number)

    monkeypatch.setattr(Training, "train_piece", interrupted)
    with pytest.raises(KeyboardInterrupt):
        _with().fit_ids(vocabulary, ids, checkpoint=tmp_path / "checkpoint")
    resumed = _with()
    vectors = resumed.fit_ids(vocabulary, ids, checkpoint=tmp_path / "checkpoint")
    np.testing.assert_array_equal(vectors.matrix, expected)
    assert [report.loss for report in resumed.history] == [report.loss for report in whole.history]


def test_a_run_that_saves_itself_all_the_time_ends_with_the_same_bits(tmp_path: Path) -> None:
    vocabulary, ids = _scan(tmp_path, _topics(90))
    expected = _with().fit_ids(vocabulary, ids).matrix
    vectors = _with().fit_ids(
        vocabulary, ids, checkpoint=tmp_path / "checkpoint", checkpoint_seconds=1e-9
    )
    np.testing.assert_array_equal(vectors.matrix, expected)


def test_a_run_in_a_folder_goes_on_only_with_the_same_corpus_and_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = tmp_path / "topics.txt"
    text.write_text("\n".join(" ".join(sentence) for sentence in _topics(90)))
    expected = _with().fit_in(Corpus(text), tmp_path / "whole").matrix
    _Stopper(monkeypatch, 6)
    folder = tmp_path / "run"
    with pytest.raises(KeyboardInterrupt):
        _with().fit_in(Corpus(text), folder)
    for model, corpus in [
        (_with(min_count=2), Corpus(text)),
        (_with(dim=13), Corpus(text)),
        (_with(), Corpus(text, "lines")),
        (_with(), Corpus(tmp_path)),
    ]:
        with pytest.raises(ConfigError, match="another corpus or with other settings; give the sa"):
            model.fit_in(corpus, folder)
    np.testing.assert_array_equal(_with().fit_in(Corpus(text), folder).matrix, expected)


def test_an_error_in_a_thread_is_raised(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(training: Training, number: int) -> tuple[float, int]:
        raise MemoryError("no room")

    monkeypatch.setattr(Training, "train_piece", fails)
    with pytest.raises(MemoryError, match="no room"):
        _with(n_threads=3).fit_ids(*_scan(tmp_path, _topics(20)))


@pytest.fixture
def checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkpoint of `SMALL` on `_topics(90)`."""
    path = tmp_path / "checkpoint"
    with monkeypatch.context() as context, pytest.raises(KeyboardInterrupt):
        _Stopper(context, 5)
        _with().fit_ids(*_scan(tmp_path, _topics(90)), checkpoint=path)
    return path


@pytest.mark.parametrize("setting", [{"window": 2}, {"seed": 9}, {"epochs": 4}, {"dim": 13}])
def test_a_checkpoint_of_other_settings_is_refused(
    tmp_path: Path, checkpoint: Path, setting: dict[str, int]
) -> None:
    with pytest.raises(FormatError, match="is of other settings or text; use the same, or remove"):
        _with(**setting).fit_ids(*_scan(tmp_path, _topics(90)), checkpoint=checkpoint)


def test_a_checkpoint_of_another_vocabulary_is_refused(tmp_path: Path, checkpoint: Path) -> None:
    other = [[word.replace("a", "x") for word in sentence] for sentence in _topics(90)]
    with pytest.raises(FormatError, match="is of other settings or text"):
        _with().fit_ids(*_scan(tmp_path, other), checkpoint=checkpoint)


def test_a_checkpoint_goes_on_with_another_number_of_threads(
    tmp_path: Path, checkpoint: Path
) -> None:
    model = _with(n_threads=2)
    model.fit_ids(*_scan(tmp_path, _topics(90)), checkpoint=checkpoint)
    assert len(model.history) == 3


@pytest.mark.parametrize("name", ["state.json", "w_in.f32", "w_out.f32"])
@pytest.mark.parametrize("content", [None, b"", b"{", b"[]", b"{}", b"null"])
def test_a_damaged_checkpoint_says_what_to_remove(
    tmp_path: Path, checkpoint: Path, name: str, content: bytes | None
) -> None:
    (checkpoint / name).unlink()
    if content is not None:
        (checkpoint / name).write_bytes(content)
    with pytest.raises(FormatError, match=r"is damaged \(.*\); remove it to train from the start"):
        _with().fit_ids(*_scan(tmp_path, _topics(90)), checkpoint=checkpoint)


def test_a_work_folder_goes_on_where_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.txt"
    path.write_text("\n".join(map(" ".join, _topics(90))))
    expected = _with().fit(path).matrix
    _Stopper(monkeypatch, 6)
    with pytest.raises(KeyboardInterrupt):
        _with().fit_in(Corpus(path), tmp_path / "work")
    path.unlink()  # it is not read again
    np.testing.assert_array_equal(_with().fit_in(Corpus(path), tmp_path / "work").matrix, expected)


def test_long_texts_are_trained_in_pieces_that_miss_no_center(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Every token is a center once, so without subsampling each has all its neighbors.
    vocabulary, ids = _scan(tmp_path, [["a", "b", "c", "d"] * 1500])
    monkeypatch.setattr(training_module, "_PIECE", 700)
    counted: list[int] = []
    train_piece = Training.train_piece

    def counting(training: Training, number: int) -> tuple[float, int]:
        loss, n_predictions = train_piece(training, number)
        counted.append(n_predictions)
        return loss, n_predictions

    monkeypatch.setattr(Training, "train_piece", counting)
    _with(epochs=1, dynamic_window=False, window=3).fit_ids(vocabulary, ids)
    assert len(counted) > 8
    assert sum(counted) == 6000 * 6 - 2 * (3 + 2 + 1)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"architecture": "glove"}, "architecture is 'glove'; give one of skipgram, cbow"),
        ({"cbow_gradient": "x"}, "cbow_gradient is 'x'; give one of corrected, classic"),
        ({"sigmoid": "table"}, "sigmoid is 'table'; give one of polynomial, exact"),
        ({"dim": 0}, "dim is 0; give 1 or more"),
        ({"window": 0}, "window is 0; give 1 or more"),
        ({"n_negative": 0}, "n_negative is 0; give 1 or more"),
        ({"epochs": 0}, "epochs is 0; give 1 or more"),
        ({"n_threads": 0}, "n_threads is 0; give 1 or more"),
        ({"learning_rate": 0.0}, "learning_rate is 0.0; give more than 0"),
        ({"learning_rate": math.nan}, "learning_rate is nan"),
        ({"learning_rate": 25}, "learning_rate is 25; give more"),
        ({"learning_rate": 0.01, "min_learning_rate": 0.02}, "at most the learning_rate of 0.01"),
        ({"noise_exponent": math.nan}, "noise_exponent is nan; give a number"),
        ({"subsample": math.inf}, "subsample is inf"),
        ({"min_learning_rate": -1}, "min_learning_rate is -1; give 0 or more"),
        ({"subsample": -1}, r"subsample is -1; give 0 \(off\) or more"),
        ({"seed": -1}, "seed is -1; give 0 or more"),
        ({"min_count": 0}, "min_count is 0; give 1 or more"),
        ({"max_words": 0}, "max_words is 0; give 1 or more"),
        ({"tokenizer": "bpe"}, "tokenizer is 'bpe'; give one of words, whitespace"),
        ({"vector_size": 10}, "vector_size.*; the settings are architecture, loss, dim, window, n"),
    ],
)
def test_a_setting_that_cannot_work_is_named(setting: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Word2Vec(**setting)  # type: ignore[arg-type]


def test_a_config_and_settings_together_are_refused() -> None:
    with pytest.raises(ConfigError, match="give a config or settings, not both"):
        Word2Vec(SMALL, dim=3)


def test_without_a_number_of_threads_every_core_is_used() -> None:
    assert Word2VecConfig().threads == len(os.sched_getaffinity(0))
