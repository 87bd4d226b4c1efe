"""Passages for a prompt: numbered, with where they are from, no more tokens than there is room.

What a language model is given to answer from (Lewis et al. 2020, https://arxiv.org/abs/2005.11401).
Passages that follow each other in their document are joined, so that they read as one.
"""

from __future__ import annotations

import bisect
import re
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from rowspace.errors import ConfigError
from rowspace.search.hit import Hit
from rowspace.space.encoder import Encoder
from rowspace.text.passages import sentence_spans

CountTokens = Callable[[str], int]


@dataclass(frozen=True)
class Citation:
    """One numbered piece of the block: a passage, or several that follow each other."""

    number: int
    """As in the block's [1], [2], …"""
    text: str
    title: str
    source: str
    document_id: str
    passage_ids: tuple[str, ...]
    """In reading order."""
    score: float
    """Of its best passage."""
    is_cut: bool = False
    """Whether its end was left out for want of room."""


@dataclass(frozen=True)
class Retrieved:
    """What a prompt is given."""

    query: str
    text: str
    """The block to paste into a prompt; empty if nothing was found or fits."""
    passages: tuple[Citation, ...]
    n_tokens: int
    """Of `text`, as they were counted."""
    n_found: int = 0
    """Passages that there was a choice of, whether they fit or not."""

    def __str__(self) -> str:
        return self.text

    def as_dict(self) -> dict[str, Any]:
        """All of it for programs, as in `rowspace retrieve --json`."""
        return asdict(self)


def fit(query: str, hits: Sequence[Hit], max_tokens: int, count_tokens: CountTokens) -> Retrieved:
    """As many of the hits, the best first, as a prompt has room for.

    Pieces stand in the order of their best hit. The first hit that does not fit is cut at the end
    of a sentence, or left out, with all after it. If that leaves nothing, the best hit is cut after
    a word.

    Parameters
    ----------
    query : str
    hits : sequence of Hit
        Best first.
    max_tokens : int
        Of the whole block, with citations and separators.
    count_tokens : callable
        Text to its number of tokens.

    Raises
    ------
    ConfigError
        If `max_tokens` is under 1.
    """
    if max_tokens < 1:
        raise ConfigError(f"max_tokens is {max_tokens}; give 1 or more")
    pieces = [_Piece(hit, hit.text) for hit in hits]

    def fits(chosen: list[_Piece]) -> bool:
        return count_tokens(_block(_join(chosen))) <= max_tokens

    n = _most(len(pieces), lambda n: fits(pieces[:n]))
    chosen = pieces[:n]
    if n < len(pieces):
        cut_at = (_sentence_ends, _word_ends) if n == 0 else (_sentence_ends,)
        cuts = (_cut(pieces[n], ends, lambda one: fits([*pieces[:n], one])) for ends in cut_at)
        chosen += next(filter(None, cuts), [])
    citations = _join(chosen)
    text = _block(citations)
    return Retrieved(query, text, tuple(citations), count_tokens(text) if text else 0, len(hits))


@dataclass(frozen=True)
class _Piece:
    """A hit, and what of its text is taken."""

    hit: Hit
    text: str

    @property
    def is_cut(self) -> bool:
        return len(self.text) < len(self.hit.text)


def _most(n: int, holds: Callable[[int], bool]) -> int:
    """The largest of 0 … n for which `holds`; it holds for 0, and for no more beyond it."""
    return bisect.bisect_left(range(1, n + 1), True, key=lambda one: not holds(one))


def _cut(
    piece: _Piece, ends_in: Callable[[str], list[int]], fits: Callable[[_Piece], bool]
) -> list[_Piece]:
    """The piece to the last of these places that fits; nothing if the first does not."""
    shorter = [replace(piece, text=piece.hit.text[:end]) for end in ends_in(piece.hit.text)]
    n = _most(len(shorter), lambda n: fits(shorter[n - 1]))
    return [shorter[n - 1]] if n else []


def _sentence_ends(text: str) -> list[int]:
    return [end for _, end in sentence_spans(text)][:-1]


def _word_ends(text: str) -> list[int]:
    return [match.end() for match in re.finditer(r"\S+", text)][:-1]


def _join(pieces: Sequence[_Piece]) -> list[Citation]:
    """Numbered citations, those of one document that follow each other as one."""
    runs: list[list[_Piece]] = []
    run_of: dict[tuple[str, int], list[_Piece]] = {}
    for piece in sorted(pieces, key=lambda piece: piece.hit.position):
        before = run_of.get((piece.hit.document_id, piece.hit.position - 1))
        if before is None or before[-1].is_cut:
            runs.append(before := [])
        before.append(piece)
        run_of[piece.hit.document_id, piece.hit.position] = before
    places = {piece.hit.passage_id: place for place, piece in enumerate(pieces)}
    runs.sort(key=lambda run: min(places[piece.hit.passage_id] for piece in run))
    return [_citation(number, run) for number, run in enumerate(runs, 1)]


def _citation(number: int, run: Sequence[_Piece]) -> Citation:
    text = run[0].text
    for piece in run[1:]:
        text = _joined(text, piece.text)
    first = run[0].hit
    return Citation(
        number,
        text,
        first.title,
        first.source,
        first.document_id,
        tuple(piece.hit.passage_id for piece in run),
        max(piece.hit.relevance for piece in run),
        run[-1].is_cut,
    )


def _joined(before: str, after: str) -> str:
    """Two texts as one; what the second begins with is left out if the first ends with it."""
    n = _overlap(before, after)
    return before + after[n:] if n else f"{before}\n{after}"


def _overlap(before: str, after: str) -> int:
    """The length of the longest end of `before` that `after` begins with, of whole words.

    One word or two may be the same by chance, three are taken for an overlap.
    """
    for n in range(min(len(before), len(after)), 0, -1):
        is_whole = n == len(after) or not (after[n - 1].isalnum() and after[n].isalnum())
        begins = n == len(before) or not (before[-n - 1].isalnum() and before[-n].isalnum())
        if is_whole and begins and before.endswith(after[:n]) and len(after[:n].split()) > 2:
            return n
    return 0


def _block(citations: Sequence[Citation]) -> str:
    """The text for a prompt."""
    return "\n\n".join(f"{_heading(one)}\n{one.text}" for one in citations)


def _heading(citation: Citation) -> str:
    name = citation.title or citation.document_id
    source = f" ({citation.source})" if citation.source and citation.source != name else ""
    return f"[{citation.number}] {name}{source}"


def token_counter(encoder: Encoder) -> CountTokens:
    """How tokens are counted where nothing is given: by the encoder's tokenizer, if it has one."""
    count: CountTokens = getattr(encoder, "count_tokens", estimate_tokens)
    return count


_ESTIMATED = re.compile(r"([A-Z]{2,})|([A-Za-z]+)|([^\x00-\x7f]+)|\n+|[^A-Za-z\s]| (?= )")


def estimate_tokens(text: str) -> int:
    """More tokens than subword tokenizers make of usual text, for want of one.

    A token for each three ASCII letters of a word or part of them (each two of capitals), each
    digit and mark, each run of new lines, and each byte of UTF-8 of what is not ASCII.

    Examples
    --------
    >>> estimate_tokens("Lake Chad shrinks, since 1963.")
    15
    """
    total = 0
    for match in _ESTIMATED.finditer(text):
        capitals, letters, others = match.groups()
        if capitals:
            total += -(-len(capitals) // 2)
        elif letters:
            total += -(-len(letters) // 3)
        else:
            total += len(others.encode("utf-8", "surrogatepass")) if others else 1
    return total
