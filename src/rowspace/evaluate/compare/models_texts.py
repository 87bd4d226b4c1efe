"""What gives whole texts their vectors, in a comparison: transformers and tables."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import TYPE_CHECKING

from rowspace.errors import MissingExtraError
from rowspace.evaluate.compare.models_shared import RememberedOccurrences
from rowspace.evaluate.compare.outcome import LackingError
from rowspace.evaluate.occurrence_encoders import OccurrenceEncoder, TransformerOccurrences
from rowspace.evaluate.sequence_tokens import ContextualTokens, SubwordTokens
from rowspace.sentence.folder import read_config, read_modules
from rowspace.sentence.loading import load_encoder, load_pooled
from rowspace.space.encoder import Encoder

if TYPE_CHECKING:
    from rowspace.evaluate.sequence import TokenVectors
    from rowspace.transformer.contextual import ContextualEncoder


class TransformerModel:
    """A transformer, or an embedder made of one.

    Parameters
    ----------
    source : str
        What it was called, for prompts that its folder does not say.
    path : Path
        Its folder.
    poolings : sequence of str
        Those of its last states that readings want, side by side; none for the embedder's own.
    """

    def __init__(self, source: str, path: Path, poolings: tuple[str, ...] = ()) -> None:
        is_hub = not Path(source).exists()
        self.source = source if is_hub else str(path)  # of a space, its model's folder
        self.path, self.poolings = path, poolings

    def load_encoder(self) -> Encoder:
        """What gives texts their vectors."""
        return (
            load_pooled(self.source, self.poolings) if self.poolings else load_encoder(self.source)
        )

    @functools.cached_property
    def _contextual(self) -> ContextualEncoder:
        try:
            from rowspace.transformer.load_encoder import load_encoder as load_contextual
        except ModuleNotFoundError as error:
            if error.name != "torch":
                raise
            raise LackingError(
                f"the states of {self.path} need torch; run: pip install 'rowspace[torch]'"
            ) from error
        return load_contextual(read_modules(self.path)[0].path)

    def occurrences(self) -> OccurrenceEncoder:
        """A word's states in the sentence, and the sentence's: the same for all readings."""
        return self._occurrences

    @functools.cached_property
    def _occurrences(self) -> RememberedOccurrences:
        try:
            return RememberedOccurrences(TransformerOccurrences(self._contextual))
        except MissingExtraError as error:
            raise LackingError(str(error)) from error

    def token_vectors(self) -> TokenVectors:
        """The states of words, in their texts."""
        lowercase = read_config(self.path, read_modules(self.path)).lowercase
        return ContextualTokens(self._contextual, lowercase=lowercase)

    def close(self) -> None:
        """Let go of the weights."""
        for name in ("_contextual", "_occurrences"):
            self.__dict__.pop(name, None)


class TableModel:
    """A static embedder: a table of subwords' vectors."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def load_encoder(self) -> Encoder:
        """What averages the rows of a text's tokens."""
        return load_encoder(self.path)

    def occurrences(self) -> OccurrenceEncoder | None:
        """None: a text has one vector, whatever word of it is meant."""
        return None

    def token_vectors(self) -> TokenVectors:
        """The means of the rows of each word's tokens."""
        from rowspace.sentence.static_files import load_static

        table, _ = load_static(self.path, read_modules(self.path), str(self.path))
        return SubwordTokens(table)

    def close(self) -> None:
        """Nothing is held but the encoder."""
