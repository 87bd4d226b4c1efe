"""A corpus cut into sections, by the names and sizes of its files alone.

What spreads work gives whole sections away, and whatever makes texts into batches begins anew at
each, in a single process too. So a section's result is the same wherever it is made.

Small files stand together up to about a MiB. A large UTF-8 file of lines is cut by ranges of bytes,
to which the lines belong that begin there; a Parquet or Arrow file by its row groups. What cannot
be cut (packed files, standard input, other encodings, documents of more than a line) is a section.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from rowspace.progress import track
from rowspace.text.ranges import LineCounter, lines_between

if TYPE_CHECKING:
    from rowspace.text.corpus import Corpus

SECTIONS = 1
"""Version of how a corpus is cut: what is written in another way may differ in its last bits."""
SECTION_BYTES = 1 << 20


@dataclass(frozen=True)
class Part:
    """A file of a corpus, or a range of one."""

    path: Path
    name: str
    """Relative to the corpus."""
    n_bytes: int | None
    """None where that is not known, as of standard input."""
    is_named: bool = True
    """Whether it was asked for itself, and not found in a folder."""
    span: tuple[int, int] | None = None
    """From and to which byte, or row group of a table; None for the whole file."""
    n_before: int | None = None
    """Line ends, or rows, of the file before the span; None where they are still to be counted."""


@dataclass(frozen=True)
class Section:
    """Documents that stand together in a corpus: some files, or a range of one."""

    number: int
    """From 0, in the corpus's order."""
    parts: tuple[Part, ...]
    n_bytes: int
    """As they are stored; 0 where that is not known."""


def sections_of(corpus: Corpus) -> list[Section]:
    """The sections of a corpus, in its order. No text is read.

    Raises
    ------
    CorpusError
        If a path does not exist, or a folder has no text file in it.
    """
    return [
        Section(number, parts, sum(part.n_bytes or 0 for part in parts))
        for number, parts in enumerate(_groups(corpus))
    ]


def _groups(corpus: Corpus) -> Iterator[tuple[Part, ...]]:
    small: list[Part] = []
    n_bytes = 0
    for part in corpus.listed():
        is_small = part.n_bytes is not None and part.n_bytes < SECTION_BYTES
        if small and (not is_small or n_bytes + (part.n_bytes or 0) > SECTION_BYTES):
            yield tuple(small)
            small, n_bytes = [], 0
        if is_small:
            small.append(part)
            n_bytes += part.n_bytes or 0
        else:
            yield from ((piece,) for piece in _pieces(corpus, part))
    if small:
        yield tuple(small)


def _pieces(corpus: Corpus, part: Part) -> Iterator[Part]:
    if part.n_bytes is None:
        yield part
    elif corpus.is_table(part):
        yield from _row_groups(part)
    elif corpus.is_cut_by_lines(part):
        for start in range(0, part.n_bytes, SECTION_BYTES):
            end = min(start + SECTION_BYTES, part.n_bytes)
            yield replace(part, n_bytes=end - start, span=(start, end))
    else:
        yield part


def _row_groups(part: Part) -> Iterator[Part]:
    """Row groups that stand together up to about a MiB."""
    from rowspace.text.tables import row_groups  # pyarrow, where it is used

    groups = row_groups(part.path)
    if groups is None:
        yield part
        return
    start = n_bytes = n_rows = n_before = 0
    for number, group in enumerate(groups):
        if number > start and n_bytes + group.n_bytes > SECTION_BYTES:
            yield replace(part, n_bytes=n_bytes, span=(start, number), n_before=n_before)
            start, n_bytes, n_before, n_rows = number, 0, n_before + n_rows, 0
        n_bytes += group.n_bytes
        n_rows += group.n_rows
    yield replace(part, n_bytes=n_bytes, span=(start, len(groups)), n_before=n_before)


def line_counts(sections: Sequence[Section]) -> list[int]:
    """Line ends before each part that is cut by lines, in order: one pass over such files."""
    counts: list[int] = []
    counter, name = None, ""
    cut = [part for section in sections for part in section.parts if _wants_a_count(part)]
    with track("counting lines", sum(part.n_bytes or 0 for part in cut)) as tracker:
        for part in cut:
            assert part.span is not None
            if counter is None or part.name != name:
                counter, name = LineCounter(part.path), part.name
            first, last = lines_between(part.path, *part.span)
            counts.append(counter.before(first) if first < last else 0)
            tracker.advance(part.n_bytes or 0)
    return counts


def with_line_counts(sections: Sequence[Section], counts: Sequence[int]) -> list[Section]:
    """The sections with what `line_counts` told of them, so that nothing before them is read."""
    left = iter(counts)
    return [
        replace(
            section,
            parts=tuple(
                replace(part, n_before=next(left)) if _wants_a_count(part) else part
                for part in section.parts
            ),
        )
        for section in sections
    ]


def _wants_a_count(part: Part) -> bool:
    return part.span is not None and part.n_before is None
