"""A training pair that was made, with what it was made as."""

from __future__ import annotations

import json
from dataclasses import dataclass

from rowspace.text.tokenizer import words


@dataclass(frozen=True)
class SyntheticPair:
    """An anchor, a text that belongs to it, and perhaps some that do not."""

    anchor: str
    positive: str
    negatives: tuple[str, ...]
    kind: str
    """How it was made, as `cloze`."""

    @property
    def texts(self) -> tuple[str, ...]:
        """All of its texts."""
        return (self.anchor, self.positive, *self.negatives)

    def line(self) -> bytes:
        """Its line of JSON."""
        record = {
            "anchor": self.anchor,
            "positive": self.positive,
            "negatives": list(self.negatives),
            "kind": self.kind,
        }
        return json.dumps(record, ensure_ascii=False).encode() + b"\n"


def plain_form(text: str) -> str:
    """The words of a text in lower case: what two spellings of one text share."""
    return " ".join(words(text))
