"""Sentences that show a sense each: `sense TAB sentence`, or CoarseWSD-20's columns.

CoarseWSD-20 (Loureiro, Rezaee, Pilehvar & Camacho-Collados 2021, https://doi.org/10.1162/coli_a_00405):
`sense TAB index TAB sentence`, tokens with spaces between and the word at the index.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from rowspace.errors import CorpusError
from rowspace.text.corpus import Corpus
from rowspace.transformer.occurrences import Span, find_word, shown


@dataclass(frozen=True)
class Example:
    """A sentence in which the word has a known sense."""

    sense: str
    sentence: str
    span: Span


def read_examples(path: Path | str, word: str) -> list[Example]:
    """Read labelled sentences, plain or packed (.gz, .xz, .zst).

    Parameters
    ----------
    path : path or str
    word : str
        Looked for in sentences that come without an index; the first time counts.

    Raises
    ------
    CorpusError
        If there is no example, a line has other columns, no such token, or not the word.
    """
    examples = []
    for number, document in enumerate(Corpus(path, documents="lines")):
        columns = [column.strip() for column in document.text.split("\t")]
        if number == 0 and columns in (["sense", "sentence"], ["sense", "index", "sentence"]):
            continue
        examples.append(_example(columns, word, document.document_id))
    if not examples:
        raise CorpusError(f"{path} has no example; give lines of sense TAB sentence")
    return examples


def _example(columns: list[str], word: str, place: str) -> Example:
    if len(columns) not in (2, 3) or not all(columns):
        raise CorpusError(
            f"{place} is not sense TAB sentence, nor sense TAB index TAB sentence; mend the line"
        )
    sense, sentence = columns[0], columns[-1]
    if len(columns) == 3:
        return Example(sense, sentence, _token_span(sentence, columns[1], place))
    spans = find_word(sentence, word)
    if not spans:
        raise CorpusError(
            f"{place}: {word!r} does not occur in {shown(sentence)}; give an example with the word"
        )
    return Example(sense, sentence, spans[0])


def _token_span(sentence: str, index: str, place: str) -> Span:
    tokens = [match.span() for match in re.finditer(r"\S+", sentence)]
    if not index.isdecimal() or int(index) >= len(tokens):
        raise CorpusError(
            f"{place}: the index {index!r} is no token of {shown(sentence)}, which has "
            f"{len(tokens)}; give 0 to {len(tokens) - 1}"
        )
    return tokens[int(index)]
