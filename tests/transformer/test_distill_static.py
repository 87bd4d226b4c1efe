"""Distilled vectors against the means of all that the encoder gives; stops and restarts."""

from __future__ import annotations

import signal
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import rowspace as rs
from rowspace.errors import ConfigError, CorpusError, FormatError, VocabularyError
from rowspace.evaluate.similarity import read_pairs, word_similarity
from rowspace.space.transforms import all_but_the_top
from rowspace.text.tokenizer import words
from rowspace.transformer import distill_static as module
from rowspace.transformer.contextual import ContextualEncoder
from rowspace.transformer.distill_config import DistillConfig
from rowspace.transformer.distill_static import distill_static
from rowspace.transformer.load_encoder import load_encoder
from tests.data import shared_data
from tests.minilm import minilm_folder
from tests.transformer.small_encoders import animal_sentences, write_animals, write_encoder


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> ContextualEncoder:
    return load_encoder(write_encoder(tmp_path_factory.mktemp("m") / "bert", "bert"))


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """200 sentences of seven words."""
    return write_animals(tmp_path / "corpus.txt", 200)


def means_of(
    encoder: ContextualEncoder, texts: list[str], most: int | None = None, **options: Any
) -> dict[str, NDArray[np.float64]]:
    """The mean of the first `most` vectors of each word, a text at a time."""
    found = defaultdict(list)
    for text in texts:
        read = encoder.contextual([text], **options)
        for vector, (start, end) in zip(read.vectors, read.spans, strict=True):
            found[text[start:end].lower()].append(vector.astype(np.float64))
    return {word: np.mean(vectors[:most], axis=0) for word, vectors in found.items()}


@pytest.mark.parametrize(
    "settings",
    [{}, {"layers": (0, 2), "mix": "concat"}, {"layers": (1, -1), "subword_pooling": "first"}],
)
def test_a_vector_is_the_mean_over_the_sentences(
    encoder: ContextualEncoder, corpus: Path, settings: dict[str, Any]
) -> None:
    found = distill_static(encoder, corpus, max_occurrences=1000, **settings)
    expected = means_of(encoder, animal_sentences(200), **settings)
    counts = Counter(word for text in animal_sentences(200) for word in words(text))
    assert set(found.index_to_key) == set(expected)
    for word, mean in expected.items():
        np.testing.assert_allclose(found[word], mean, atol=1e-5)
    assert found.counts is not None
    assert dict(zip(found.index_to_key, found.counts.tolist(), strict=True)) == counts
    assert (np.diff(found.counts) <= 0).all()


def test_only_the_first_occurrences_count(encoder: ContextualEncoder, corpus: Path) -> None:
    found = distill_static(encoder, corpus, max_occurrences=7)
    for word, mean in means_of(encoder, animal_sentences(200), most=7).items():
        np.testing.assert_allclose(found[word], mean, atol=1e-5)


def test_sentences_without_a_wanted_word_are_not_read(
    encoder: ContextualEncoder, corpus: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []
    contextual = ContextualEncoder.contextual

    def noted(self: ContextualEncoder, texts: list[str], **options: Any) -> Any:
        read.extend(texts)
        return contextual(self, texts, **options)

    monkeypatch.setattr(ContextualEncoder, "contextual", noted)
    found = distill_static(encoder, corpus, words=["Owl", "zebra"], max_occurrences=9)
    assert found.index_to_key == ["owl"]
    assert found.counts is not None
    assert found.counts.tolist() == [9]
    assert read
    assert all("owl" in text for text in read)
    assert len(read) <= 9


def test_memory_is_a_sum_a_word_however_long_the_text(
    encoder: ContextualEncoder, corpus: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By structure: a batch holds so many sentences, and the run nothing else of the text."""
    monkeypatch.setattr(module, "_TEXTS_AT_ONCE", 4)
    sizes: list[int] = []
    contextual = ContextualEncoder.contextual

    def noted(self: ContextualEncoder, texts: list[str], **options: Any) -> Any:
        sizes.append(len(texts))
        return contextual(self, texts, **options)

    monkeypatch.setattr(ContextualEncoder, "contextual", noted)
    runs: list[module._Run] = []
    vectors = module._Run.vectors
    monkeypatch.setattr(module._Run, "vectors", lambda run: runs.append(run) or vectors(run))  # type: ignore[func-returns-value]
    distill_static(encoder, corpus, max_occurrences=1000)
    assert sizes == [4] * 50
    assert {name: array.shape[0] for name, array in runs[0]._arrays().items()} == dict.fromkeys(
        ["sums", "counts", "taken"], 9
    )


def test_words_may_keep_their_case(encoder: ContextualEncoder, corpus: Path) -> None:
    found = distill_static(encoder, corpus, case_sensitive=True)
    assert "The" in found
    assert "the" in found
    assert "The" not in distill_static(encoder, corpus)


def test_the_vocabulary_is_that_of_the_settings(encoder: ContextualEncoder, corpus: Path) -> None:
    found = distill_static(encoder, corpus, max_words=3)
    counts = Counter(word for text in animal_sentences(200) for word in words(text))
    assert found.index_to_key == [
        word for word, _ in sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:3]
    ]
    least = sorted(counts.values())[2]
    assert set(distill_static(encoder, corpus, min_count=least).index_to_key) == {
        word for word, n in counts.items() if n >= least
    }


def test_the_strongest_directions_are_taken_out(encoder: ContextualEncoder, corpus: Path) -> None:
    plain = distill_static(encoder, corpus)
    found = distill_static(encoder, corpus, remove_top=2)
    cleaned = all_but_the_top(plain.matrix, 2).apply(plain.matrix)
    np.testing.assert_array_equal(found.matrix, cleaned)
    assert found.metadata["transforms"] == ["all-but-the-top 2"]


def test_directions_that_are_all_there_is_are_not_taken_out(
    encoder: ContextualEncoder, corpus: Path, tmp_path: Path
) -> None:
    """The mean and two directions of three words are all that they have: noise would be left."""
    with pytest.raises(ConfigError, match="remove_top is 2, and of 3 words it would leave nothing"):
        distill_static(encoder, corpus, max_words=3, remove_top=2, out=tmp_path / "few")
    assert not (tmp_path / "few.training").exists()
    given: dict[str, Any] = {"words": ["cat", "dog", "owl", "zebra"], "out": tmp_path / "out"}
    with pytest.raises(ConfigError, match="of 3 words it would leave nothing; give 1 or less"):
        distill_static(encoder, corpus, remove_top=2, **given)
    found = distill_static(encoder, corpus, remove_top=1, resume=True, **given)
    plain = distill_static(encoder, corpus, words=given["words"])
    cleaned = all_but_the_top(plain.matrix, 1).apply(plain.matrix)
    np.testing.assert_array_equal(found.matrix, cleaned)


def test_titles_are_read_as_elsewhere(encoder: ContextualEncoder, tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"title": "An owl.", "text": "The cat saw."}\n')
    found = distill_static(encoder, path, min_count=1)
    assert set(found.index_to_key) == {"an", "owl", "the", "cat", "saw"}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["cat", "hot dog"], "'hot dog' is 2 words in a text; give single words"),
        (["don't"], "is 2 words in a text"),
        (["+"], "'\\+' is no word in a text"),
        (["c++"], "'c\\+\\+' is no word in a text"),
        ([], "there are no words"),
        ("cat", "words is one string"),
    ],
)
@pytest.mark.parametrize("case_sensitive", [False, True])
def test_what_is_no_single_word_is_said_at_once(
    encoder: ContextualEncoder, corpus: Path, words: Any, message: str, case_sensitive: bool
) -> None:
    with pytest.raises(ConfigError, match=message):
        distill_static(encoder, corpus, words=words, case_sensitive=case_sensitive)


def test_a_run_that_was_stopped_ends_with_the_same_bits(
    encoder: ContextualEncoder, corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_TEXTS_AT_ONCE", 8)
    whole = distill_static(encoder, corpus, out=tmp_path / "whole", max_occurrences=40)
    n_read, n_before = 0, -1
    contextual = ContextualEncoder.contextual

    def interrupted(self: ContextualEncoder, texts: list[str], **options: Any) -> Any:
        nonlocal n_read
        n_read += 1
        if n_read % 3 == 0:
            signal.raise_signal(signal.SIGINT)
        return contextual(self, texts, **options)

    monkeypatch.setattr(ContextualEncoder, "contextual", interrupted)
    out = tmp_path / "out"
    n_stops = 0
    while not out.exists():
        try:
            distill_static(encoder, corpus, out=out, resume=n_stops > 0, max_occurrences=40)
        except KeyboardInterrupt as stop:
            n_stops += 1
            assert "add --resume" in str(stop)
        assert n_read > n_before  # each run gets on
        n_before = n_read
    assert n_stops >= 2
    found = rs.load(out)
    np.testing.assert_array_equal(found.matrix, whole.matrix)
    assert found.index_to_key == whole.index_to_key
    assert not (tmp_path / "out.training").exists()


def test_a_run_is_saved_now_and_then(
    encoder: ContextualEncoder, corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An end without a warning, as by a power cut, loses what came after the last checkpoint."""
    monkeypatch.setattr(module, "_TEXTS_AT_ONCE", 8)
    monkeypatch.setattr(module, "_CHECKPOINT_SECONDS", 0.0)
    whole = distill_static(encoder, corpus)
    contextual, n_read = ContextualEncoder.contextual, 0

    def cut(self: ContextualEncoder, texts: list[str], **options: Any) -> Any:
        nonlocal n_read
        n_read += 1
        if n_read == 4:
            raise SystemExit
        return contextual(self, texts, **options)

    monkeypatch.setattr(ContextualEncoder, "contextual", cut)
    with pytest.raises(SystemExit):
        distill_static(encoder, corpus, out=tmp_path / "out")
    found = distill_static(encoder, corpus, out=tmp_path / "out", resume=True)
    np.testing.assert_array_equal(found.matrix, whole.matrix)
    assert n_read < 2 * -(-200 // 8)


def test_what_cannot_be_is_said(
    encoder: ContextualEncoder, corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for settings, message in (
        ({"max_occurrences": 0}, "max_occurrences is 0; give 1 or more"),
        ({"mix": "none"}, "mix is 'none'; give one of mean, concat"),
        ({"subword_pooling": "max"}, "subword_pooling is 'max'"),
        ({"remove_top": 48}, "remove_top is 48, of 48 numbers; give less"),
        ({"layers": (9,)}, "there is no layer 9"),
        ({"size": 3}, "the settings are max_words, min_count"),
    ):
        with pytest.raises(ConfigError, match=message):
            distill_static(encoder, corpus, **settings)
    with pytest.raises(ConfigError, match="give a config or settings"):
        distill_static(encoder, corpus, DistillConfig(), min_count=1)
    with pytest.raises(VocabularyError, match=r"no word occurs 5,?000 times in 1,400 tokens"):
        distill_static(encoder, corpus, min_count=5000)
    with pytest.raises(VocabularyError, match="none of the 1 words occurs in the text"):
        distill_static(encoder, corpus, words=["zebra"])
    empty = tmp_path / "empty.txt"
    empty.write_text("...\n")
    with pytest.raises(CorpusError, match="no word in it"):
        distill_static(encoder, empty, out=tmp_path / "out")
    assert not (tmp_path / "out.training").exists()


def test_a_run_of_other_settings_or_a_damaged_one_is_not_gone_on_with(
    encoder: ContextualEncoder, corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, work = tmp_path / "out", tmp_path / "out.training"

    def stop(self: ContextualEncoder, texts: list[str], **options: Any) -> Any:
        signal.raise_signal(signal.SIGINT)
        return contextual(self, texts, **options)

    contextual = ContextualEncoder.contextual
    with monkeypatch.context() as patch:
        patch.setattr(ContextualEncoder, "contextual", stop)
        with pytest.raises(KeyboardInterrupt):
            distill_static(encoder, corpus, out=out, layers=(0,))
    with pytest.raises(ConfigError, match="add --resume, or remove it"):
        distill_static(encoder, corpus, out=out, layers=(0,))
    with pytest.raises(ConfigError, match=r"layers was \[0\], not \[1\]"):
        distill_static(encoder, corpus, out=out, layers=(1,), resume=True)
    (work / "checkpoint" / "sums.npy").write_bytes(b"\x93NUMPY")
    with pytest.raises(FormatError, match="is damaged"):
        distill_static(encoder, corpus, out=out, layers=(0,), resume=True)


@pytest.mark.slow
def test_distilled_minilm_tells_similar_words() -> None:
    """Bommasani et al. (2020): means over sentences rank pairs of words much as people do."""
    pairs = read_pairs(shared_data("word", "similarity", "simlex999.tsv"))[:100]
    names = [word for first, second, _ in pairs for word in (first, second)]
    corpus = shared_data("corpora", "small", "brown.txt.xz")
    encoder = load_encoder(minilm_folder())
    found = distill_static(encoder, corpus, words=names, max_occurrences=2)
    assert word_similarity(found, pairs).spearman > 0.3
