"""The files of a folder in BEIR's layout: `corpus.jsonl`, `queries.jsonl`, `qrels/SPLIT.tsv`.

Thakur et al. (2021), https://arxiv.org/abs/2104.08663. The .jsonl files may be packed. Each
function takes the kind of error that a bad file raises, for it is read as a task and as training
pairs alike.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rowspace.errors import CorpusError, RowspaceError
from rowspace.text.lines import numbered_lines
from rowspace.text.streams import COMPRESSED

_ErrorType = type[RowspaceError]


def is_beir(folder: Path) -> bool:
    """Whether a folder holds queries, judgements and a corpus."""
    has_files = all(_find(folder, f"{name}.jsonl") for name in ("corpus", "queries"))
    return has_files and (folder / "qrels").is_dir()


def read_corpus(folder: Path, error: _ErrorType = CorpusError) -> Iterator[tuple[str, str]]:
    """(id, text) of each document: its title and body, joined by a space."""
    for _, identifier, record in _records(folder, "corpus", error):
        yield identifier, f"{record.get('title') or ''} {record.get('text') or ''}".strip()


def read_queries(folder: Path, error: _ErrorType = CorpusError) -> Iterator[tuple[str, str]]:
    """(id, text) of each query."""
    for where, identifier, record in _records(folder, "queries", error):
        yield identifier, _field(record, "text", where, error)


def read_qrels(path: Path, error: _ErrorType = CorpusError) -> dict[str, dict[str, int]]:
    """Grade by query id, then document id.

    Raises
    ------
    `error`
        If a line has other than three columns, a grade is no whole number, or one document is
        judged twice for a query with different grades.
    """
    qrels: dict[str, dict[str, int]] = {}
    for number, line in numbered_lines(path, error):
        fields = line.split("\t")
        if number == 1 and fields[0] == "query-id":
            continue
        try:
            query, document, grade = fields[0], fields[1], int(fields[2])
        except (ValueError, IndexError) as cause:
            raise error(
                f"{path.name} line {number} is not `query-id TAB corpus-id TAB whole number`: "
                f"{line.strip()[:80]!r}; correct or remove it"
            ) from cause
        if qrels.setdefault(query, {}).setdefault(document, grade) != grade:
            raise error(
                f"{path.name} line {number} grades document {document!r} {grade} for query "
                f"{query!r}, an earlier line {qrels[query][document]}; keep one of them"
            )
    return qrels


def qrels_file(folder: Path, split: str, error: _ErrorType = CorpusError) -> Path:
    """The file of a split's judgements.

    Raises
    ------
    `error`
        If there is none; the message names those there are.
    """
    path = folder / "qrels" / f"{split}.tsv"
    if path.is_file():
        return path
    others = sorted(file.stem for file in (folder / "qrels").glob("*.tsv"))
    hint = f"it has {', '.join(others)}" if others else "a retrieval task needs BEIR's layout"
    raise error(f"{folder} has no qrels/{split}.tsv; {hint}")


def _records(
    folder: Path, name: str, error: _ErrorType
) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Each JSON object of `name.jsonl`, perhaps packed: "file line n", its `_id` and the object."""
    path = _find(folder, f"{name}.jsonl")
    if path is None:
        raise error(f"{folder} has no {name}.jsonl; a retrieval task needs BEIR's layout")
    seen: set[str] = set()
    for number, line in numbered_lines(path, error):
        where = f"{path.name} line {number}"
        try:
            record = json.loads(line)
        except json.JSONDecodeError as cause:
            raise error(f"{where} is not JSON ({cause}); correct or remove it") from cause
        if not isinstance(record, dict):
            raise error(f"{where} is not a JSON object; correct or remove it")
        identifier = _field(record, "_id", where, error)
        if identifier in seen:
            raise error(f"{where} repeats the _id {identifier!r}; ids must be unique")
        seen.add(identifier)
        yield where, identifier, record


def _field(record: dict[str, Any], name: str, where: str, error: _ErrorType) -> str:
    if record.get(name) is None:
        raise error(f"{where} has no {name!r}; add it or remove the line")
    return str(record[name])


def _find(folder: Path, name: str) -> Path | None:
    paths = (folder / f"{name}{packed}" for packed in ("", *COMPRESSED))
    return next((path for path in paths if path.is_file()), None)
