"""The models of what is looked at, as what cuts texts; each is read when it is first asked for."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

from rowspace.errors import ConfigError
from rowspace.explore.asked import subject_of
from rowspace.explore.subject import Subject
from rowspace.explore.subword_tokens import read_subwords
from rowspace.explore.token_reading import TokenModel
from rowspace.explore.word_tokens import WordTokens
from rowspace.transformer.model_folder import CONFIG


class TokenModels:
    """The token models of some subjects, each kept once read.

    Parameters
    ----------
    subjects : sequence of Subject
    """

    def __init__(self, subjects: Sequence[Subject]) -> None:
        self.subjects = subjects
        self._read: dict[tuple[int, str], TokenModel] = {}
        self._lock = threading.Lock()

    def names(self, subject: int) -> list[str]:
        """What the models of a subject are called, the default first."""
        chosen = subject_of(self.subjects, subject)
        return chosen.models or [chosen.name]

    def get(self, subject: int, name: str | None = None) -> tuple[str, TokenModel]:
        """A model and what it is called.

        Raises
        ------
        ConfigError
            If there is no such model, or it does not say how it cuts texts.
        """
        names = self.names(subject)
        name = name or names[0]
        if name not in names:
            raise ConfigError(f"there is no model {name!r}; give one of {', '.join(names)}")
        chosen = self.subjects[subject]
        key = subject, _source(chosen, name)
        with self._lock:
            if key not in self._read:
                self._read[key] = _open(chosen, name)
            return name, self._read[key]


def transformer_folder(subject: Subject, name: str) -> Path | None:
    """The folder of a model that has a tokenizer of subwords; None where it is word vectors."""
    if subject.space is not None:
        model = subject.space.models[name]
        return subject.path / model.folder if model.kind == "sentence" else None
    is_model = (subject.path / CONFIG).exists() or (subject.path / "modules.json").exists()
    return subject.path if is_model else None


def _source(subject: Subject, name: str) -> str:
    """What changes when a space gets another model of the same name."""
    return "" if subject.space is None else subject.space.models[name].folder


def _open(subject: Subject, name: str) -> TokenModel:
    folder = transformer_folder(subject, name)
    if folder is not None:
        return read_subwords(folder)
    encoder = None if subject.space is None else subject.space.encoders[name]
    vectors = subject.vectors if encoder is None else getattr(encoder, "vectors", None)
    if vectors is None:
        raise ConfigError(f"the model {name!r} does not say how it cuts texts into tokens")
    return WordTokens(vectors)
