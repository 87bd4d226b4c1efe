"""What became of a run: examples by kind, what was rejected and why, what was paid."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, kw_only=True)
class SynthesisReport:
    """What a run did."""

    n_written: int
    by_kind: dict[str, int]
    """Examples written of each kind."""
    n_with_negatives: int
    """Examples that have a negative."""
    rejected: dict[str, int]
    """Examples that were not kept, by reason, the most frequent first."""
    n_answers: int = 0
    """Answers of the server, with those of the runs before that this one went on with."""
    n_asked: int = 0
    """Requests that this run sent, with those tried again."""
    input_tokens: int = 0
    output_tokens: int = 0
    """As the server counted them, else estimated."""
    cost: float | None = None
    """What the tokens cost; None where no price was given."""
    notes: list[str] = field(default_factory=list)
    """What is worth to know, a sentence each."""

    def record(self) -> dict[str, Any]:
        """As JSON can hold it."""
        return dataclasses.asdict(self)
