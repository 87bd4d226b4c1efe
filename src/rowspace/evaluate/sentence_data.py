"""Tasks of sentence pairs, read from folders: scored pairs, labelled pairs, and Lee's documents.

A folder holds `.tsv` files (perhaps packed) whose header names `sentence1`, `sentence2` and either
`score` or `label`. Files called train, dev (or val) and test are parts of one task, of which one is
scored; files of other names are all scored, as in the yearly STS tasks. Lee, Pincombe & Welsh
(2005) is a folder with `docs.txt`, a document a line, and `human-similarity-50x50.txt`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from rowspace.errors import EvaluationError
from rowspace.evaluate.lines import as_number, numbered_lines
from rowspace.text.streams import bare_suffix

SentencePair = tuple[str, str, float]
"""Two texts and the score, or the label 0 or 1, that people gave them."""

Column = Literal["score", "label"]

COLUMNS: tuple[Column, ...] = get_args(Column)

_DOCUMENTS = "docs.txt"
_MATRIX = "human-similarity*.txt"
SPLITS = {"train": "train", "dev": "dev", "val": "dev", "validation": "dev", "test": "test"}
"""Which part of a task a file of this name is."""


@dataclass(frozen=True, kw_only=True)
class SentenceTask:
    """Pairs of texts that people judged."""

    name: str
    """The folder's name."""

    column: Column
    """Scored by degree, or labelled 1 where the texts belong together and 0 where they do not."""

    parts: Mapping[str, Sequence[SentencePair]]
    """The pairs of each file that is scored, by its name without suffixes."""

    @property
    def pairs(self) -> list[SentencePair]:
        """Those of all files."""
        return [pair for part in self.parts.values() for pair in part]


def read_sentence_task(folder: Path | str, split: str | Sequence[str] = "test") -> SentenceTask:
    """Read a folder of sentence pairs (see the module's docstring).

    Parameters
    ----------
    folder : path
    split : str or sequence of str
        Which file, where they are called train, dev and test; val and validation mean dev. Of
        several, the first that is there.

    Returns
    -------
    SentenceTask

    Raises
    ------
    EvaluationError
        If the folder has no such file, or one cannot be read; the message names file and line.
    """
    folder = Path(folder)
    if (folder / _DOCUMENTS).is_file():
        pairs = read_document_matrix(folder / _DOCUMENTS, _matrix_file(folder))
        return SentenceTask(name=folder.name, column="score", parts={folder.name: pairs})
    files = _files(folder, split)
    column = _column(next(iter(files.values())))
    parts = {name: read_sentence_pairs(path, column) for name, path in files.items()}
    return SentenceTask(name=folder.name, column=column, parts=parts)


def read_sentence_pairs(path: Path | str, column: Column = "score") -> list[SentencePair]:
    """Read sentence pairs from a file of tabs whose header names the columns.

    Parameters
    ----------
    path : path
        Its header has `sentence1`, `sentence2` and `column`, in any order; other columns are
        passed over. Quotes are characters like any other.
    column : {"score", "label"}
        A score is a finite number, a label 0 or 1.

    Returns
    -------
    list of (sentence1, sentence2, score)

    Raises
    ------
    EvaluationError
        If a column is missing, a line is too short or its score no number, or no line follows.
    """
    path = Path(path)
    pairs: list[SentencePair] = []
    places: list[int] | None = None
    for number, line in numbered_lines(path):
        fields = line.split("\t")
        if places is None:
            places = _places(path, fields, column)
            continue
        if len(fields) <= max(places):
            raise EvaluationError(
                f"{path.name} line {number} has {len(fields)} columns and the header more: "
                f"{line[:80]!r}; correct or remove it"
            )
        first, second, text = (fields[place].strip() for place in places)
        pairs.append((first, second, _value(text, column, f"{path.name} line {number}")))
    if not pairs:
        raise EvaluationError(f"{path.name} holds no sentence pairs; give some below a header")
    return pairs


def read_document_matrix(documents: Path, matrix: Path) -> list[SentencePair]:
    """Every pair of documents and how alike people found it, as in Lee, Pincombe & Welsh (2005).

    Parameters
    ----------
    documents : path
        A document a line.
    matrix : path
        As many lines of as many numbers; those above the diagonal are read.

    Returns
    -------
    list of (document, document, score)
        n (n − 1) / 2 pairs.

    Raises
    ------
    EvaluationError
        If the two do not fit together, or a field above the diagonal is no number.
    """
    texts = [line.strip() for _, line in numbered_lines(documents)]
    pairs: list[SentencePair] = []
    lines = list(numbered_lines(matrix))
    if len(lines) != len(texts):
        raise EvaluationError(
            f"{matrix.name} has {len(lines)} lines and {documents.name} {len(texts)}; "
            "give a line for each document"
        )
    for row, (number, line) in enumerate(lines):
        where = f"{matrix.name} line {number}"
        fields = line.split()
        if len(fields) != len(texts):
            raise EvaluationError(
                f"{where} has {len(fields)} numbers for {len(texts)} documents; give one for each"
            )
        pairs += [
            (texts[row], texts[other], _value(fields[other], "score", where))
            for other in range(row + 1, len(texts))
        ]
    return pairs


def _matrix_file(folder: Path) -> Path:
    found = sorted(folder.glob(_MATRIX))
    if len(found) != 1:
        raise EvaluationError(
            f"{folder} has {_DOCUMENTS} and {len(found)} files {_MATRIX}; give one of them"
        )
    return found[0]


def tsv_files(folder: Path, header: str) -> dict[str, Path]:
    """The `.tsv` files of a folder, perhaps packed, by their names without suffixes.

    Raises
    ------
    EvaluationError
        If there is none; the message says what header one would have.
    """
    found = {
        path.name.split(".tsv")[0]: path
        for path in sorted(folder.iterdir())
        if bare_suffix(path) == ".tsv" and not path.name.startswith(".")
    }
    if not found:
        raise EvaluationError(f"{folder} has no .tsv; give one whose header is {header}")
    return found


def _files(folder: Path, split: str | Sequence[str]) -> dict[str, Path]:
    """The files that are scored, by their names without suffixes."""
    found = tsv_files(folder, "`score TAB sentence1 TAB sentence2`")
    splits = {SPLITS[name]: name for name in found if name in SPLITS}
    if not splits:
        return found
    wanted = [split] if isinstance(split, str) else split
    names = [name for one in wanted if (name := splits.get(SPLITS.get(one, one))) is not None]
    if not names:
        missing = " nor ".join(f"{one}.tsv" for one in wanted)
        raise EvaluationError(f"{folder} has no {missing}; it has {', '.join(splits)}")
    return {names[0]: found[names[0]]}


def _column(path: Path) -> Column:
    """Whether a file's pairs are scored or labelled."""
    header = next(numbered_lines(path), (1, ""))[1].split("\t")
    return "label" if "label" in header and "score" not in header else "score"


def _places(path: Path, header: Sequence[str], column: Column) -> list[int]:
    names = [name.strip() for name in header]
    wanted = ("sentence1", "sentence2", column)
    missing = [name for name in wanted if name not in names]
    if missing:
        raise EvaluationError(
            f"{path.name} has no column {', '.join(missing)} in its first line "
            f"{' '.join(header)[:80]!r}; begin it with the header "
            f"`{column} TAB sentence1 TAB sentence2`"
        )
    return [names.index(name) for name in wanted]


def _value(text: str, column: Column, where: str) -> float:
    value = as_number(text)
    if column == "label" and value not in (0, 1):
        raise EvaluationError(f"{where} has the label {text[:40]!r}; give 0 or 1")
    if value is None:
        raise EvaluationError(
            f"{where} has the score {text[:40]!r}, which is no number; correct or remove it"
        )
    return value
