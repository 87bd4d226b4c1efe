"""What pretraining leaves: a model, its tokenizer, and the record of how it went."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rowspace.files import write_folder_atomically, write_json
from rowspace.space.pages import write_page
from rowspace.transformer.model_folder import RECORD
from rowspace.transformer.objectives import Model, Sample
from rowspace.transformer.pretrain_config import PretrainConfig
from rowspace.transformer.pretrain_page import render_page
from rowspace.transformer.rows import FrequencyBand
from rowspace.transformer.token_neighbors import TokenNeighbors
from rowspace.transformer.tokenizer import SubwordTokenizer
from rowspace.transformer.tokens import TokenFile
from rowspace.transformer.training import Entry, HeldOut
from rowspace.transformer.weights import write_model
from rowspace.version import __version__

PAGE = "report.html"


@dataclass(frozen=True)
class TextSize:
    """How much text there was."""

    tokens: int
    documents: int
    bytes: int
    words: int

    @classmethod
    def of(cls, file: TokenFile) -> TextSize:
        """The size of a file of tokens."""
        return cls(file.n_tokens, file.n_documents, file.n_bytes, file.n_words)


@dataclass(frozen=True)
class HeldOutResult:
    """The loss on all text that was held out, and what it comes to."""

    loss: float
    """Nats per predicted token."""
    perplexity: float
    """exp(loss), of tokens."""
    word_perplexity: float | None
    """The same of what stands between spaces, which tokenizers can be compared by; None for a
    masked model, which does not tell a text."""
    bits_per_byte: float | None
    """The loss by which a text could be packed; None for a masked model."""


@dataclass(frozen=True)
class PretrainReport:
    """How a pretraining run went."""

    objective: str
    config: PretrainConfig
    vocab_size: int
    n_parameters: int
    """Tied ones once."""
    n_embedding_parameters: int
    """Of tables that are looked into."""
    train: TextSize
    held_out_text: TextSize
    n_steps: int
    n_tokens_seen: int
    seconds: float
    """Of the steps."""
    precision: str
    n_threads: int
    """Of each process."""
    n_processes: int
    history: Sequence[Entry]
    held_out: Sequence[HeldOut]
    """While training, of a part of the text that was held out."""
    result: HeldOutResult | None
    """None where nothing was held out."""
    samples: Sequence[Sample] = ()
    rows: Sequence[FrequencyBand] = ()
    """What rows of the token table received, by how frequent their tokens are."""
    neighbors: Sequence[TokenNeighbors] = ()

    @property
    def tokens_per_second(self) -> float:
        """Of the steps."""
        return self.n_tokens_seen / max(self.seconds, 1e-9)

    def as_dict(self) -> dict[str, Any]:
        """All of it, as JSON can hold it: null where there is no number."""
        record = {"rowspace": __version__, **dataclasses.asdict(self)}
        for band in record["rows"]:
            band |= {name: None for name, value in band.items() if value != value}
        return record


@dataclass(frozen=True)
class Pretrained:
    """A trained model and all that belongs to it."""

    model: Model
    tokenizer: SubwordTokenizer
    report: PretrainReport

    def save(self, folder: Path | str) -> None:
        """Write a folder with config.json, model.safetensors, tokenizer.json, training.json and
        report.html; it is there whole, or not at all.

        `rowspace.transformer.weights.load_model` reads the model, `rowspace.load` its table of
        tokens as word vectors.
        """
        with write_folder_atomically(folder) as temporary:
            write_model(self.model, temporary)
            self.tokenizer.save(temporary)
            write_json(temporary / RECORD, self.report.as_dict())
            write_page(temporary / PAGE, render_page(Path(folder).name, self.report))
