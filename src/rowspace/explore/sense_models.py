"""The transformers of what is looked at, which give a word a vector for each place it stands in."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rowspace.errors import ConfigError, RowspaceError
from rowspace.explore.asked import subject_of
from rowspace.explore.subject import Subject
from rowspace.explore.token_models import transformer_folder
from rowspace.extras import require_torch
from rowspace.sentence.folder import read_modules

if TYPE_CHECKING:
    from rowspace.transformer.contextual import ContextualEncoder


def reads_context(subject: Subject, name: str) -> bool:
    """Whether a model gives a word other vectors in other sentences."""
    folder = transformer_folder(subject, name)
    return folder is not None and read_modules(folder)[0].kind == "Transformer"


def has_senses(subject: Subject) -> bool:
    """Whether any model of a subject does; none that cannot be read."""
    names = subject.models or [subject.name]
    with contextlib.suppress(RowspaceError):
        return any(reads_context(subject, name) for name in names)
    return False


class SenseModels:
    """The contextual encoders of some subjects, the last one used being kept.

    Parameters
    ----------
    subjects : sequence of Subject
    """

    def __init__(self, subjects: Sequence[Subject]) -> None:
        self.subjects = subjects
        self._lock = threading.Lock()
        self._kept: tuple[Path, ContextualEncoder] | None = None

    def find(self, number: int, name: str | None) -> tuple[str, Path]:
        """The model of that name, or the first that reads context; and its transformer's folder.

        Raises
        ------
        ConfigError
            If there is no such model, or it has one vector a word.
        MissingExtraError
            If torch is not installed.
        """
        subject = subject_of(self.subjects, number)
        names = subject.models or [subject.name]
        if name is not None and name not in names:
            raise ConfigError(f"there is no model {name!r}; give one of {', '.join(names)}")
        found = [one for one in names if name in (None, one) and reads_context(subject, one)]
        if not found:
            which = f"{subject.name} has models" if name is None else f"the model {name!r} is one"
            raise ConfigError(
                f"{which} in which a word has one vector wherever it stands, and so no senses to "
                "tell apart; look at a space whose model is a transformer, as "
                "`rowspace build CORPUS --model all-MiniLM-L6-v2` makes"
            )
        require_torch("Telling senses apart")
        folder = transformer_folder(subject, found[0])
        assert folder is not None
        return found[0], read_modules(folder)[0].path

    def load(self, folder: Path) -> ContextualEncoder:
        """The encoder of a folder, read when it is first asked for."""
        from rowspace.transformer.load_encoder import load_encoder

        with self._lock:
            if self._kept is None or self._kept[0] != folder:
                self._kept = None  # two at once may be too much
                self._kept = folder, load_encoder(folder)
            return self._kept[1]
