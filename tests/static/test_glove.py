from __future__ import annotations

import dataclasses
import math
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rowspace.errors import ConfigError, CorpusError, FormatError, VocabularyError
from rowspace.space.formats import load
from rowspace.space.vectors import Vectors
from rowspace.static import cooccurrence, pair_sums
from rowspace.static.cooccurrence import Cooccurrences
from rowspace.static.glove import GloVe, GloVeConfig, GloVeEpochReport, GloVeTraining
from rowspace.text.corpus import Corpus
from rowspace.text.streams import open_bytes
from rowspace.text.vocabulary import Vocabulary, VocabularyConfig, scan_sequences
from tests.naive_glove import naive_cooccurrences

GUTENBERG = Path(__file__).resolve().parents[2] / "examples" / "gutenberg" / "books.txt.xz"
SMALL: dict[str, Any] = {
    "dim": 12, "min_count": 1, "epochs": 3, "n_threads": 1, "window": 4, "x_max": 10.0,
}  # fmt: skip


def _with(**settings: Any) -> GloVe:
    return GloVe(**(SMALL | settings))


def _topics(n_sentences: int = 400, seed: int = 0) -> list[list[str]]:
    """Sentences of the words a0..a9 or b0..b9, with one in ten from the other topic.

    GloVe learns from pairs that do occur: of two topics that never meet it cannot tell how far
    apart they are.
    """
    generator = np.random.default_rng(seed)
    return [
        [f"{'ab'[topic ^ (generator.random() < 0.1)]}{i}" for i in generator.integers(0, 10, 8)]
        for topic in generator.integers(0, 2, n_sentences).tolist()
    ]


def _write(path: Path, sentences: list[list[str]]) -> Path:
    path.write_text("".join(" ".join(sentence) + "\n" for sentence in sentences))
    return path


def _share_of_neighbors_in_topic(vectors: Vectors) -> float:
    found = [
        neighbor[0] == word[0]
        for word in vectors.index_to_key
        for neighbor, _ in vectors.most_similar(word, topn=9)
    ]
    return sum(found) / len(found)


@pytest.mark.parametrize("output", ["sum", "word", "both"])
@pytest.mark.parametrize("symmetric", [True, False])
@pytest.mark.parametrize("n_threads", [1, 2])
def test_training_finds_the_topics(output: str, symmetric: bool, n_threads: int) -> None:
    trainer = _with(output=output, symmetric=symmetric, epochs=25, n_threads=n_threads)
    vectors = trainer.fit(_topics())
    assert len(vectors) == 20 and vectors.dim == (24 if output == "both" else 12)
    assert _share_of_neighbors_in_topic(vectors) > 0.95  # 9 / 19 by chance
    assert trainer.history[-1].loss < 0.5 * trainer.history[0].loss
    assert [report.epoch for report in trainer.history] == list(range(1, 26))


def test_the_output_is_made_of_both_matrices() -> None:
    trainers = {output: _with(output=output) for output in ("sum", "word", "both")}
    vectors = {output: trainer.fit(_topics(100)) for output, trainer in trainers.items()}
    one = trainers["word"]
    assert one.word_matrix is not None and one.context_matrix is not None
    assert not np.allclose(one.word_matrix, one.context_matrix)
    np.testing.assert_array_equal(vectors["word"].matrix, one.word_matrix)
    np.testing.assert_array_equal(vectors["sum"].matrix, one.word_matrix + one.context_matrix)
    np.testing.assert_array_equal(
        vectors["both"].matrix, np.hstack([one.word_matrix, one.context_matrix])
    )


@pytest.mark.parametrize("symmetric", [True, False])
def test_the_model_comes_to_tell_the_logarithms_of_the_counts(
    tmp_path: Path, symmetric: bool
) -> None:
    # As many dimensions as words: the fit can be exact.
    sentences = [[str(i) for i in row] for row in np.random.default_rng(0).integers(0, 6, (60, 9))]
    vocabulary, ids = scan_sequences(sentences, tmp_path, VocabularyConfig(min_count=1))
    trainer = _with(symmetric=symmetric, epochs=400, dim=8, x_max=1.0)
    trainer.fit_ids(vocabulary, ids)
    assert trainer.word_matrix is not None and trainer.context_matrix is not None
    assert trainer.word_biases is not None and trainer.context_biases is not None
    told = trainer.word_matrix @ trainer.context_matrix.T
    told += trainer.word_biases[:, None] + trainer.context_biases
    counts = naive_cooccurrences(ids.open().tolist(), 4, symmetric, True)
    assert len(counts) == 36
    for (i, j), count in counts.items():
        assert told[i, j] == pytest.approx(math.log(count), abs=0.02)


def test_the_loss_is_that_of_the_definition_before_training(tmp_path: Path) -> None:
    vocabulary, ids = scan_sequences(_topics(50), tmp_path, VocabularyConfig(min_count=1))
    trainer = _with(learning_rate=1e-6, epochs=1)
    trainer.fit_ids(vocabulary, ids)
    assert trainer.word_matrix is not None  # small, so that a prediction is nearly 0
    losses = [
        0.5 * min(1.0, float(count) / 10) ** 0.75 * math.log(count) ** 2
        for count in naive_cooccurrences(ids.open().tolist(), 4, True, True).values()
    ]
    assert trainer.history[0].loss == pytest.approx(sum(losses) / len(losses), rel=0.1)


def test_one_thread_gives_the_same_bits_each_time_and_the_seed_changes_them() -> None:
    first, again, other = (_with(seed=seed).fit(_topics(60)).matrix for seed in (1, 1, 2))
    assert first.tobytes() == again.tobytes()
    assert not np.array_equal(first, other)


def test_the_memory_for_counting_does_not_change_the_vectors(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    expected = _with().fit(_topics(60)).matrix
    monkeypatch.setattr(pair_sums, "_DENSE_CELLS", 20)
    monkeypatch.setattr(pair_sums, "_HELD_PAIRS", 50)
    np.testing.assert_array_equal(_with(memory_mb=33).fit(_topics(60)).matrix, expected)


def test_real_text_teaches_which_words_are_alike() -> None:
    with open_bytes(GUTENBERG) as file:
        text = file.read(1_200_000).decode(errors="ignore")
    sentences = [line.lower().split() for line in text.split("\n")]
    trainer = GloVe(dim=40, epochs=8, x_max=10, window=8, min_count=20, n_threads=2)
    seen: list[float] = []
    alike = [("he", "she"), ("his", "her"), ("man", "woman"), ("two", "three"), ("eyes", "face"),
             ("came", "went"), ("father", "mother"), ("could", "would")]  # fmt: skip

    def contrast(vectors: Vectors) -> float:
        """How much more alike those pairs are than words at random, in standard deviations."""
        words = vectors.index_to_key[50:400]
        others = [vectors.similarity(a, b) for a, b in zip(words, words[7:], strict=False)]
        pairs = [vectors.similarity(a, b) for a, b in alike]
        return float((np.mean(pairs) - np.mean(others)) / np.std(others))

    trainer.fit(sentences, on_epoch_end=lambda _, vectors: seen.append(contrast(vectors)))
    assert seen[-1] > max(1.0, seen[0])
    losses = [report.loss for report in trainer.history]
    assert losses == sorted(losses, reverse=True) and losses[-1] < 0.6 * losses[0]


def test_items_of_any_kind_have_vectors() -> None:
    vectors = _with().fit([[1, 2, 3], [1, 2], [3, 4]] * 20)
    assert set(vectors.index_to_key) == {"1", "2", "3", "4"}
    assert vectors.counts is not None and vectors.counts.tolist() == [40, 40, 40, 20]


def test_a_callback_sees_each_epoch_and_can_end_training() -> None:
    seen: list[tuple[GloVeEpochReport, Vectors]] = []

    def note(report: GloVeEpochReport, vectors: Vectors) -> bool:
        seen.append((report, vectors))
        return report.epoch < 2

    trainer = _with(epochs=9)
    final = trainer.fit(_topics(60), on_epoch_end=note)
    assert [report for report, _ in seen] == trainer.history
    assert [report.epoch for report in trainer.history] == [1, 2]
    assert not np.array_equal(seen[0][1].matrix, final.matrix)
    np.testing.assert_array_equal(seen[1][1].matrix, final.matrix)


def test_a_saved_model_is_read_with_its_counts(tmp_path: Path) -> None:
    trainer = _with()
    with pytest.raises(ConfigError, match="nothing is trained yet; call fit first"):
        trainer.save(tmp_path / "a")
    vectors = trainer.fit(_topics(60))
    trainer.save(tmp_path / "a")
    read = load(tmp_path / "a")
    np.testing.assert_array_equal(read.matrix, vectors.matrix)
    assert read.counts is not None and vectors.counts is not None
    assert read.counts.tolist() == vectors.counts.tolist()
    assert read.metadata["method"] == "glove"
    assert GloVeConfig(**read.metadata["config"]) == trainer.config
    vectors.save(tmp_path / "a.glove")
    np.testing.assert_array_equal(load(tmp_path / "a.glove").matrix, vectors.matrix)


# Going on


def _stop_at(monkeypatch: pytest.MonkeyPatch, stop_at: int) -> list[int]:
    """Interrupts training at the n-th piece from now; returns the pieces that were trained."""
    trained: list[int] = []
    train_piece = GloVeTraining.train_piece

    def stopping(training: GloVeTraining, number: int) -> tuple[float, int]:
        trained.append(number)
        if len(trained) == stop_at:
            trained.pop()
            trained.append(-1)
            raise KeyboardInterrupt
        return train_piece(training, number)

    monkeypatch.setattr(GloVeTraining, "train_piece", stopping)
    return trained


@pytest.mark.parametrize("stop_at", [1, 5, 32, 33, 95])
def test_an_interrupted_run_goes_on_to_the_same_bits_and_counts_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stop_at: int
) -> None:
    text = Corpus(_write(tmp_path / "a.txt", _topics(60)))
    whole = _with()
    expected = whole.fit_in(text, tmp_path / "whole").matrix
    trained = _stop_at(monkeypatch, stop_at)
    with pytest.raises(KeyboardInterrupt):
        _with().fit_in(text, tmp_path / "work")
    monkeypatch.setattr("rowspace.static.engine.count_cooccurrences", None)  # is not called again
    resumed = _with(memory_mb=77)  # which may change
    vectors = resumed.fit_in(text, tmp_path / "work")
    assert trained == [*range(stop_at - 1), -1, *range(stop_at - 1, 3 * 32)]
    np.testing.assert_array_equal(vectors.matrix, expected)
    np.testing.assert_array_equal(resumed.context_matrix, whole.context_matrix)
    np.testing.assert_array_equal(resumed.context_biases, whole.context_biases)
    assert [report.loss for report in resumed.history] == [report.loss for report in whole.history]


def test_a_run_that_saves_itself_all_the_time_ends_with_the_same_bits(tmp_path: Path) -> None:
    vocabulary, counts = _counted(tmp_path)
    expected = _with(epochs=1).fit_counts(vocabulary, counts).matrix
    vectors = _with(epochs=1).fit_counts(
        vocabulary, counts, checkpoint=tmp_path / "checkpoint", checkpoint_seconds=1e-9
    )
    np.testing.assert_array_equal(vectors.matrix, expected)


def test_two_threads_stop_and_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = Corpus(_write(tmp_path / "a.txt", _topics(60)))
    trained = _stop_at(monkeypatch, 50)
    with pytest.raises(KeyboardInterrupt):
        _with(n_threads=2).fit_in(text, tmp_path / "work")
    resumed = _with(n_threads=2)
    resumed.fit_in(text, tmp_path / "work")
    assert len(resumed.history) == 3
    assert len(trained) in (3 * 32 + 1, 3 * 32 + 2)  # a piece that was taken may not count
    assert set(trained) == {-1, *range(3 * 32)}


def test_a_run_goes_on_only_with_the_same_text_and_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = _write(tmp_path / "a.txt", _topics(60))
    _stop_at(monkeypatch, 40)
    folder = tmp_path / "work"
    with pytest.raises(KeyboardInterrupt):
        _with().fit_in(Corpus(path), folder)
    for trainer, corpus in [
        (_with(x_max=11), Corpus(path)),
        (_with(window=5), Corpus(path)),
        (_with(symmetric=False), Corpus(path)),
        (_with(min_count=2), Corpus(path)),
        (_with(seed=2), Corpus(path)),
        (_with(), Corpus(tmp_path)),
    ]:
        with pytest.raises(ConfigError, match="another corpus or with other settings; give the sa"):
            trainer.fit_in(corpus, folder)
    with path.open("a") as file:
        file.write("one word more\n")
    with pytest.raises(ConfigError, match=r"a\.txt has changed since its words were counted"):
        _with().fit_in(Corpus(path), folder)
    path.unlink()  # what was counted needs no text
    assert len(_with().fit_in(Corpus(path), folder)) == 20


def _counted(
    folder: Path, sentences: list[list[str]] | None = None
) -> tuple[Vocabulary, Cooccurrences]:
    folder.mkdir(exist_ok=True)
    vocabulary, ids = scan_sequences(
        sentences or _topics(60), folder, VocabularyConfig(min_count=1)
    )
    config = _with().config.cooccurrence_config()
    return vocabulary, cooccurrence.count_cooccurrences(
        vocabulary, ids, folder / "counts.bin", config
    )


@pytest.fixture
def checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "checkpoint"
    with monkeypatch.context() as context, pytest.raises(KeyboardInterrupt):
        _stop_at(context, 40)
        _with().fit_counts(*_counted(tmp_path), checkpoint=path)
    return path


def test_a_checkpoint_of_other_settings_words_or_counts_is_refused(
    tmp_path: Path, checkpoint: Path
) -> None:
    renamed = [[word.replace("a", "x") for word in sentence] for sentence in _topics(60)]
    for trainer, counted in [
        (_with(alpha=0.5), _counted(tmp_path)),
        (_with(epochs=4), _counted(tmp_path)),
        (_with(), _counted(tmp_path / "renamed", renamed)),
        (_with(), _counted(tmp_path / "other", _topics(61))),
    ]:
        with pytest.raises(FormatError, match="is of other settings or text; use the same, or rem"):
            trainer.fit_counts(*counted, checkpoint=checkpoint)
    assert len(_with(n_threads=2).fit_counts(*_counted(tmp_path), checkpoint=checkpoint)) == 20


@pytest.mark.parametrize("name", ["state.json", "blocks.f32"])
@pytest.mark.parametrize("content", [None, b"", b"{", b"{}"])
def test_a_damaged_checkpoint_says_what_to_remove(
    tmp_path: Path, checkpoint: Path, name: str, content: bytes | None
) -> None:
    (checkpoint / name).unlink()
    if content is not None:
        (checkpoint / name).write_bytes(content)
    with pytest.raises(FormatError, match=r"is damaged \(.*\); remove it to train from the start"):
        _with().fit_counts(*_counted(tmp_path), checkpoint=checkpoint)


def test_counts_that_are_cut_short_say_what_to_remove(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = Corpus(_write(tmp_path / "a.txt", _topics(60)))
    _stop_at(monkeypatch, 40)
    with pytest.raises(KeyboardInterrupt):
        _with().fit_in(text, tmp_path / "work")
    counts = tmp_path / "work" / "counts.bin"
    counts.write_bytes(counts.read_bytes()[:-12])
    with pytest.raises(FormatError, match=r"the counts .* are not .* bytes long; remove .*work"):
        _with().fit_in(text, tmp_path / "work")


# What cannot work


def test_training_that_diverges_says_so_and_saves_nothing(tmp_path: Path) -> None:
    vocabulary, counts = _counted(tmp_path)
    started = time.monotonic()
    with pytest.raises(ConfigError, match=r"the loss of epoch \d+ is (nan|inf): training diverged; "
                       r"give a learning_rate below 9\.9"):  # fmt: skip
        _with(learning_rate=9.9, epochs=10_000, dim=50).fit_counts(
            vocabulary, counts, checkpoint=tmp_path / "checkpoint", checkpoint_seconds=3600
        )
    assert time.monotonic() - started < 60


def test_words_that_never_meet_have_nothing_to_train_on(tmp_path: Path) -> None:
    with pytest.raises(VocabularyError, match="no two of the 2 words stand near each other"):
        _with().fit([["a"], ["b"]])
    with pytest.raises(VocabularyError, match="no word occurs 5 times"):
        _with(min_count=5).fit([["a", "b"]])
    with pytest.raises(CorpusError):
        _with().fit(tmp_path / "nothing.txt")


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"dim": 0}, "dim is 0; give 1 or more"),
        ({"window": 0}, "window is 0; give 1 to 255"),
        ({"window": 256}, "window is 256; give 1 to 255"),
        ({"epochs": 0}, "epochs is 0; give 1 or more"),
        ({"x_max": 0}, "x_max is 0; give more than 0, usually 10 to 100"),
        ({"x_max": math.nan}, "x_max is nan; give more than 0"),
        ({"alpha": -1}, "alpha is -1; give 0 to 10, usually 0.75"),
        ({"learning_rate": 0}, "learning_rate is 0; give more than 0, usually 0.05"),
        ({"learning_rate": math.nan}, "learning_rate is nan; give more than 0"),
        ({"output": "context"}, "output is 'context'; give one of sum, word, both"),
        ({"min_count": 0}, "min_count is 0; give 1 or more"),
        ({"max_words": 0}, "max_words is 0; give 1 or more"),
        ({"tokenizer": "x"}, "tokenizer is 'x'; give one of"),
        ({"memory_mb": 31}, "memory_mb is 31; give 32 or more, usually 1024"),
        ({"seed": -1}, "seed is -1; give 0 or more"),
        ({"n_threads": 0}, "n_threads is 0; give 1 or more"),
        ({"vector_size": 3}, "unexpected keyword argument 'vector_size'; the settings are dim, "),
    ],
)
def test_settings_that_cannot_work_say_why(setting: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        GloVe(**setting)
    assert message in str(caught.value)


def test_the_defaults_are_those_of_the_paper() -> None:
    config = dataclasses.asdict(GloVeConfig())
    paper = {"x_max": 100, "alpha": 0.75, "learning_rate": 0.05, "output": "sum", "symmetric": True}
    assert config.items() >= paper.items()
