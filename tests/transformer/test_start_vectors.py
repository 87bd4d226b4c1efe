"""Rows that start from word vectors, and those that do not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from rowspace.errors import ConfigError, FormatError, RowspaceError  # noqa: E402
from rowspace.space.vectors import Vectors  # noqa: E402
from rowspace.text.corpus import Corpus  # noqa: E402
from rowspace.transformer.embeddings import TokenEmbedding  # noqa: E402
from rowspace.transformer.pretrain import LanguageModelTrainer  # noqa: E402
from rowspace.transformer.start_vectors import start_from, words_of  # noqa: E402
from rowspace.transformer.tokenizer import SubwordTokenizer  # noqa: E402
from rowspace.transformer.training import Run  # noqa: E402

WORDS = ["cat", "dog", "fox", "the", "saw"]
SETTINGS: dict[str, Any] = {
    "tokenizer": "wordpiece", "vocab_size": 60, "dim": 16, "n_layers": 1, "n_heads": 2,
    "max_length": 16, "batch_size": 4, "steps": 8, "warmup": 2, "checkpoint_every": 3,
    "held_out": 0.2, "precision": "float32", "n_threads": 1, "weight_decay": 0.0,
}  # fmt: skip


class Stop(RowspaceError):
    """Ends a run."""


def write_text(folder: Path) -> Path:
    path = folder / "text.txt"
    path.write_text("the cat saw the dog.\nthe fox and the unheard saw the cat.\n" * 100)
    return path


def word_vectors(words: list[str] = WORDS, dim: int = 16) -> Vectors:
    generator = np.random.default_rng(3)
    return Vectors(words, generator.normal(2.0, 5.0, size=(len(words), dim)).astype(np.float32))


def saved(folder: Path, name: str = "words.txt", **settings: Any) -> str:
    word_vectors(**settings).save(folder / name)
    return str(folder / name)


def rows_worked_out(before: Any, vectors: Vectors, words: list[str]) -> Any:
    """Centered, and with the root mean square of the table before: number by number."""
    matrix = np.array([vectors[word] for word in words], dtype=np.float64)
    for d in range(matrix.shape[1]):
        matrix[:, d] -= sum(matrix[:, d]) / len(words)
    size = (before.double() ** 2).mean().sqrt().item()
    return matrix * size / np.sqrt((matrix**2).mean())


@pytest.mark.parametrize("kind", ["wordpiece", "bpe"])
def test_the_rows_of_words_are_their_vectors_and_others_stay(kind: str, tmp_path: Path) -> None:
    tokenizer = SubwordTokenizer.train(Corpus(write_text(tmp_path)), kind, vocab_size=300)
    torch.manual_seed(0)
    table = TokenEmbedding(tokenizer.vocab_size, 16, multiple=64)
    before = table.weight.detach().clone()
    pieces = ["##t", "[MASK]", "[UNK]", "nowhere"]
    vectors = word_vectors([*WORDS, *pieces, *tokenizer.special_tokens.keys() - pieces])
    n = start_from(table, tokenizer, vectors)
    begin = "" if kind == "wordpiece" else "Ġ"  # a space, as byte-level BPE spells it
    ids = [
        tokenizer.tokens.index(begin + word) for word in WORDS if begin + word in tokenizer.tokens
    ]
    words = [word for word in WORDS if begin + word in tokenizer.tokens]
    assert n == len(ids) >= 4
    expected = rows_worked_out(before[: tokenizer.vocab_size], vectors, words)
    np.testing.assert_allclose(table.weight.detach()[ids], expected, rtol=1e-5, atol=1e-8)
    others = sorted(set(range(len(before))) - set(ids))
    assert torch.equal(table.weight.detach()[others], before[others])


def test_a_word_of_byte_level_bpe_begins_with_a_space(tmp_path: Path) -> None:
    tokenizer = SubwordTokenizer.train(Corpus(write_text(tmp_path)), "bpe", vocab_size=300)
    found = words_of(tokenizer)
    assert {tokenizer.tokens[i] for i in found} == {
        token for token in tokenizer.tokens if token.startswith("Ġ") and token != "Ġ"
    }
    assert all(tokenizer.tokens[i] == "Ġ" + word for i, word in found.items())


def test_a_model_trains_from_the_vectors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = {}
    original = Run.fit

    def fit(self: Run, checkpoint: Path) -> None:
        table = self.parts.model.transformer.embeddings.token
        seen[self.config.start_vectors] = table.weight.detach().clone()
        original(self, checkpoint)

    monkeypatch.setattr(Run, "fit", fit)
    text, path = write_text(tmp_path), saved(tmp_path)
    plain = LanguageModelTrainer(**SETTINGS).fit(text)
    LanguageModelTrainer(**SETTINGS, start_vectors=path).fit(text)
    tokens = plain.tokenizer.tokens
    ids = [tokens.index(word) for word in WORDS]
    expected = rows_worked_out(seen[None][: len(tokens)], word_vectors(), WORDS)
    np.testing.assert_allclose(seen[path][ids], expected, rtol=1e-5, atol=1e-8)
    changed = (seen[path] != seen[None]).any(dim=1)
    assert changed.nonzero().flatten().tolist() == sorted(ids)


def test_a_run_that_goes_on_ends_with_the_same_bits_and_knows_its_vectors(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text, path = write_text(tmp_path), saved(tmp_path)
    trainer = LanguageModelTrainer(**SETTINGS, start_vectors=path)
    whole = trainer.fit(text, tmp_path / "whole")
    original = Run._take_step

    def take_step(self: Run, tracker: Any) -> None:
        if self.step == 5:
            raise Stop
        original(self, tracker)

    with monkeypatch.context() as patch:
        patch.setattr(Run, "_take_step", take_step)
        with pytest.raises(Stop):
            trainer.fit(text, tmp_path / "a")
    settings = json.loads((tmp_path / "a.training" / "settings.json").read_text())
    assert settings["config"]["start_vectors"] == path
    other = LanguageModelTrainer(**SETTINGS, start_vectors=saved(tmp_path, "other.txt"))
    with pytest.raises(ConfigError, match=r"\(start_vectors was .*words\.txt\", not .*other\.txt"):
        other.fit(text, tmp_path / "a", resume=True)
    found = trainer.fit(text, tmp_path / "a", resume=True)
    assert repr(found.report.rows) == repr(whole.report.rows)  # NaN is not equal to itself
    one, other_file = (tmp_path / name / "model.safetensors" for name in ("whole", "a"))
    assert one.read_bytes() == other_file.read_bytes()


def test_vectors_that_will_not_do_say_so_before_the_text_is_read(tmp_path: Path) -> None:
    def refuses(message: str, error: type[Exception] = ConfigError, **settings: Any) -> None:
        trainer = LanguageModelTrainer(**{**SETTINGS, **settings})
        with pytest.raises(error, match=message) as raised:
            trainer.fit(tmp_path / "no text", tmp_path / "model")
        assert "\n" not in str(raised.value)
        assert not (tmp_path / "model.training").exists()

    refuses("there is no ", FormatError, start_vectors=str(tmp_path / "none"))
    short = saved(tmp_path, "short.txt", dim=8)
    refuses("have dimension 8 and the model 16; give dim 8, or train", start_vectors=short)
    SubwordTokenizer.train(Corpus(write_text(tmp_path)), "wordpiece", vocab_size=60).save(tmp_path)
    foreign = saved(tmp_path, "foreign.txt", words=["chat", "chien"])
    given: dict[str, Any] = {
        "tokenizer": str(tmp_path / "tokenizer.json"),
        "start_vectors": foreign,
    }
    refuses("no token is a word that the 2 start_vectors know; train both on the same", **given)


@pytest.mark.parametrize("kind", ["wordpiece", "characters"])
def test_vectors_of_no_token_say_so(kind: str, tmp_path: Path) -> None:
    path = saved(tmp_path, words=["chat", "chien"])
    trainer = LanguageModelTrainer(**{**SETTINGS, "tokenizer": kind, "start_vectors": path})
    with pytest.raises(ConfigError, match="no token is a word that the 2 start_vectors know"):
        trainer.fit(write_text(tmp_path))
