"""A text as tokens that know where they stand in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from tokenizers import Encoding


_SPACE = "\u2581"
"""What stands for a space in SentencePiece."""


@dataclass(frozen=True)
class Tokenized:
    """The tokens of a text, and those that the tokenizer puts around it."""

    ids: NDArray[np.int64]
    """(T,) of the text's own tokens."""
    starts: NDArray[np.int64]
    """(T,) the character each begins at; spaces before a word are not counted to it."""
    ends: NDArray[np.int64]
    """(T,) the character after each."""
    before: tuple[int, ...] = ()
    """Ids of special tokens before a text, as [CLS]."""
    after: tuple[int, ...] = ()
    """Ids of special tokens after a text, as [SEP]."""

    def __len__(self) -> int:
        return len(self.ids)

    @classmethod
    def of(cls, text: str, encoding: Encoding) -> Tokenized:
        """What the `tokenizers` library says of a text."""
        ids = encoding.ids
        special = encoding.special_tokens_mask
        first = next((i for i, is_special in enumerate(special) if not is_special), len(ids))
        last = len(ids)
        while last > first and special[last - 1]:
            last -= 1
        spans = [_without_space(text, *span) for span in encoding.offsets[first:last]]
        if spans and encoding.tokens[first] == _SPACE and not text.startswith(_SPACE, spans[0][0]):
            # Put before the text, which has no such space; the library counts a character to it.
            spans[0] = (0, 0)
        places = np.array(spans, dtype=np.int64).reshape(-1, 2)
        return cls(
            np.array(ids[first:last], dtype=np.int64),
            places[:, 0],
            places[:, 1],
            tuple(ids[:first]),
            tuple(ids[last:]),
        )

    @classmethod
    def joined(cls, parts: Sequence[Tokenized], begins: Sequence[int]) -> Tokenized:
        """A text of its pieces; `begins` says at which character each does, and the rest."""
        if len(parts) == 1:
            return parts[0]
        around = next((part for part in parts if len(part)), parts[0])
        pairs = list(zip(parts, begins, strict=False))
        return cls(
            np.concatenate([part.ids for part in parts]),
            np.concatenate([part.starts + begin for part, begin in pairs]),
            np.concatenate([part.ends + begin for part, begin in pairs]),
            around.before,
            around.after,
        )

    def tokens_of(self, start: int, end: int) -> tuple[int, int]:
        """The tokens that have any of the characters from `start` to before `end`.

        Returns
        -------
        first, after : int
            Equal where there is none.
        """
        first = int(np.searchsorted(self.ends, start, side="right"))
        after = int(np.searchsorted(self.starts, end, side="left"))
        return first, max(first, after)


def _without_space(text: str, start: int, end: int) -> tuple[int, int]:
    """A token's place less the spaces around it, which byte-level BPE and SentencePiece count."""
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    return start, end
