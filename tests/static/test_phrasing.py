"""Phrases joined before training: the same as training on text that was joined before."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rowspace.errors import ConfigError
from rowspace.search.build import BuildConfig
from rowspace.space.formats import load
from rowspace.static.fasttext import FastText
from rowspace.static.phrasing import PhraseSettings, settings_of
from rowspace.static.training import Training
from rowspace.static.word2vec import Word2Vec, Word2VecConfig
from rowspace.text.corpus import Corpus
from rowspace.text.phrases import Phrases
from tests.naive_phrases import naive_find, naive_join

OLD = [
    ["in", "new", "york"], ["to", "new", "york"], ["a", "dark", "day"], ["is", "a", "night"],
    ["is", "so", "dark"],
] * 30  # fmt: skip
NEW = [["new", "york", "blooms"], ["a", "new", "york", "blooms"]] * 9
FOUND = naive_find(
    OLD, score="original", threshold=0.27, min_count=5, connectors=(), min_word_count=2
)


def _joined(sentences: list[list[str]]) -> list[list[str]]:
    return [naive_join(sentence, FOUND, ()) for sentence in sentences]


def _trainer(method: type[Any] = Word2Vec, **settings: Any) -> Any:
    small = {"dim": 8, "min_count": 2, "epochs": 2, "n_threads": 1, "subsample": 0.01}
    return method(**(small | settings))


PHRASES: dict[str, Any] = {"phrases": 1, "phrase_threshold": 0.27}


@pytest.mark.parametrize("method", [Word2Vec, FastText])
def test_training_with_phrases_is_training_on_joined_text(method: type[Any]) -> None:
    assert FOUND.keys() == {("new", "york")}
    trainer, plain = _trainer(method, **PHRASES), _trainer(method)
    ours, expected = trainer.fit(OLD), plain.fit(_joined(OLD))
    assert "new_york" in ours.index_to_key
    assert ours.index_to_key == expected.index_to_key
    assert ours.counts.tolist() == expected.counts.tolist()
    np.testing.assert_array_equal(ours.matrix, expected.matrix)
    assert {phrase.parts: phrase.count for phrase in trainer.phrases} == {
        parts: count for parts, (count, _) in FOUND.items()
    }
    ours, expected = trainer.update(NEW), plain.update(_joined(NEW))
    assert trainer.update_report == plain.update_report
    assert "blooms" in ours.index_to_key
    np.testing.assert_array_equal(ours.matrix, expected.matrix)


def test_words_are_chosen_among_the_joined_ones() -> None:
    seen = {}

    def keep(word: str, count: int) -> bool:
        seen[word] = count
        return word != "is"

    trainer = _trainer(**PHRASES, max_words=3)
    vectors = trainer.fit(OLD, keep_word=keep)
    expected = _trainer(max_words=3)
    assert vectors.index_to_key == expected.fit(_joined(OLD), keep_word=keep).index_to_key
    assert seen["new_york"] == 60


def test_phrases_are_saved_with_the_model(tmp_path: Path) -> None:
    trainer = _trainer(**PHRASES)
    vectors = trainer.fit(OLD)
    trainer.save(tmp_path / "model")
    assert Phrases.from_record(vectors.metadata["phrases"]).record() == trainer.phrases.record()
    read = Phrases.from_record(load(tmp_path / "model").metadata["phrases"])
    assert read.apply(["new", "york"]) == ["new_york"]
    loaded = Word2Vec.load(tmp_path / "model", epochs=3)
    np.testing.assert_array_equal(loaded.update(NEW).matrix, trainer_with(3).update(NEW).matrix)
    for changed in ({"phrase_threshold": 0.2}, {"phrases": 2}, {"phrases": 0}):
        with pytest.raises(ConfigError, match="phrase"):
            Word2Vec.load(tmp_path / "model", **changed)


def trainer_with(epochs: int) -> Any:
    """A model of OLD that an update trains so often."""
    trainer = _trainer(**PHRASES)
    trainer.fit(OLD)
    trainer.config = type(trainer.config)(**{**trainer.config.as_dict(), "epochs": epochs})
    return trainer


def test_a_fit_anew_finds_its_own_phrases_and_none_where_none_are_asked_for() -> None:
    trainer = _trainer(**PHRASES)
    trainer.fit(OLD)
    trainer.fit([["hot", "dog"], ["cold", "night"]] * 10)
    assert {phrase.name for phrase in trainer.phrases} == {"hot_dog", "cold_night"}
    trainer.config = _trainer().config
    assert "phrases" not in trainer.fit(OLD).metadata


def test_a_model_without_phrases_cannot_get_some_later() -> None:
    trainer = _trainer()
    trainer.fit(OLD)
    trainer.config = _trainer(**PHRASES).config
    with pytest.raises(ConfigError, match="trained without phrases, and its words cannot be join"):
        trainer.update(NEW)


def test_a_stopped_run_goes_on_with_its_phrases_and_with_no_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = tmp_path / "a.txt"
    text.write_text("\n".join(map(" ".join, OLD)))
    expected = _trainer(**PHRASES).fit(text)
    with monkeypatch.context() as context, pytest.raises(KeyboardInterrupt):
        context.setattr(Training, "train_piece", _interrupt)
        _trainer(**PHRASES).fit_in(Corpus(text), tmp_path / "work")
    for other in ({"phrases": 2}, {"phrase_threshold": 0.2}, {"phrase_score": "npmi"}):
        with pytest.raises(ConfigError, match="another corpus or with other settings"):
            _trainer(**(PHRASES | other)).fit_in(Corpus(text), tmp_path / "work")
    trainer = _trainer(**PHRASES)
    resumed = trainer.fit_in(Corpus(text), tmp_path / "work")
    np.testing.assert_array_equal(resumed.matrix, expected.matrix)
    assert resumed.metadata["phrases"] == expected.metadata["phrases"]
    assert len(trainer.phrases) == len(FOUND)


def _interrupt(*_: Any) -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"phrases": -1}, r"phrases is -1; give 0 \(none\) or more passes"),
        ({"phrase_score": "npmi"}, "phrase_score is 'npmi', but phrases is 0, so that none are"),
        ({"phrases": 1, "phrase_score": "pmi"}, "phrase score is 'pmi'; give one of original"),
        ({"phrases": 1, "phrase_min_count": 0}, "phrase min_count is 0; give 1 or more"),
    ],
)
def test_a_phrase_setting_that_cannot_work_is_named(setting: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Word2VecConfig(**setting)


def test_a_space_is_built_without_phrases() -> None:
    with pytest.raises(ConfigError, match="phrases is 1, and a space's passages are read word by"):
        BuildConfig(word2vec={"phrases": 1})


def test_settings_of_phrases_come_last() -> None:
    names = [field.name for field in settings_of(Word2VecConfig)]
    assert names[0] == "architecture"
    assert names[-5:] == list(PhraseSettings.__dataclass_fields__)
