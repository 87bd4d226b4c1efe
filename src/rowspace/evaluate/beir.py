"""Retrieval tasks, read from folders in the layout of BEIR.

Thakur et al. (2021), https://arxiv.org/abs/2104.08663. What does not fit together (judgements of
unknown queries or documents) is counted, so that a score never hides it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rowspace.errors import EvaluationError
from rowspace.evaluate.lines import numbered_lines
from rowspace.evaluate.ranking import Grades, relevant_documents
from rowspace.text.streams import COMPRESSED


@dataclass(frozen=True, kw_only=True)
class RetrievalTask:
    """Documents, queries and people's judgements of which document answers which query."""

    name: str
    """The folder's name."""

    documents: Mapping[str, str]
    """Text by document id: title and body, joined by a space."""

    queries: Mapping[str, str]
    """Text by query id; some may have no judgements."""

    qrels: Mapping[str, Grades]
    """Grades by query id, then document id, exactly as in the file."""

    @property
    def judged_queries(self) -> list[str]:
        """Ids of the queries that have at least one relevant document, in the queries' order."""
        return [query for query in self.queries if relevant_documents(self.qrels.get(query, {}))]

    @property
    def n_unknown_queries(self) -> int:
        """Judged query ids that are not among the queries; they cannot be scored."""
        return sum(query not in self.queries for query in self.qrels)

    @property
    def n_unknown_documents(self) -> int:
        """Relevant judgements that name no document here; they can only be missed.

        They stay in the denominators, as in trec_eval, so they lower what can be reached.
        """
        return sum(
            document not in self.documents
            for query in self.judged_queries
            for document in relevant_documents(self.qrels[query])
        )


def read_retrieval_task(folder: Path | str, split: str = "test") -> RetrievalTask:
    """Read a folder in BEIR's layout.

    Parameters
    ----------
    folder : path
        Holds `corpus.jsonl` with `_id`, `text` and perhaps `title`; `queries.jsonl` with `_id` and
        `text`; each may be packed (`.jsonl.gz`). And `qrels/<split>.tsv` with the header
        `query-id TAB corpus-id TAB score`.
    split : str
        Which judgements: the name of a file in `qrels/`.

    Returns
    -------
    RetrievalTask

    Raises
    ------
    EvaluationError
        If a file is missing or a line cannot be read; the message names the file and the line.
    """
    folder = Path(folder)
    documents = {
        identifier: f"{record.get('title') or ''} {record.get('text') or ''}".strip()
        for _, identifier, record in _records(folder, "corpus")
    }
    queries = {
        identifier: _field(record, "text", where)
        for where, identifier, record in _records(folder, "queries")
    }
    qrels = read_qrels(_qrels_file(folder, split))
    return RetrievalTask(name=folder.name, documents=documents, queries=queries, qrels=qrels)


def read_qrels(path: Path | str) -> dict[str, dict[str, int]]:
    """Read judgements: `query-id TAB corpus-id TAB score` lines below a header of these names.

    Returns
    -------
    dict of str to dict of str to int
        Grade by query id, then document id.

    Raises
    ------
    EvaluationError
        If a line has other than three columns, a grade is no whole number, or one document is
        judged twice for a query with different grades.
    """
    path = Path(path)
    qrels: dict[str, dict[str, int]] = {}
    for number, line in numbered_lines(path):
        fields = line.split("\t")
        if number == 1 and fields[0] == "query-id":
            continue
        try:
            query, document, grade = fields[0], fields[1], int(fields[2])
        except (ValueError, IndexError) as error:
            raise EvaluationError(
                f"{path.name} line {number} is not `query-id TAB corpus-id TAB whole number`: "
                f"{line.strip()[:80]!r}; correct or remove it"
            ) from error
        if qrels.setdefault(query, {}).setdefault(document, grade) != grade:
            raise EvaluationError(
                f"{path.name} line {number} grades document {document!r} {grade} for query "
                f"{query!r}, an earlier line {qrels[query][document]}; keep one of them"
            )
    return qrels


def _records(folder: Path, name: str) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Each JSON object of `name.jsonl`, perhaps packed: "file line n", its `_id` and the object."""
    path = _existing(folder, f"{name}.jsonl")
    seen: set[str] = set()
    for number, line in numbered_lines(path):
        where = f"{path.name} line {number}"
        try:
            record = json.loads(line)
        except json.JSONDecodeError as error:
            raise EvaluationError(f"{where} is not JSON ({error}); correct or remove it") from error
        if not isinstance(record, dict):
            raise EvaluationError(f"{where} is not a JSON object; correct or remove it")
        identifier = _field(record, "_id", where)
        if identifier in seen:
            raise EvaluationError(f"{where} repeats the _id {identifier!r}; ids must be unique")
        seen.add(identifier)
        yield where, identifier, record


def _field(record: dict[str, Any], name: str, where: str) -> str:
    if record.get(name) is None:
        raise EvaluationError(f"{where} has no {name!r}; add it or remove the line")
    return str(record[name])


def _existing(folder: Path, name: str) -> Path:
    for path in (folder / f"{name}{packed}" for packed in ("", *COMPRESSED)):
        if path.is_file():
            return path
    raise EvaluationError(f"{folder} has no {name}; a retrieval task needs BEIR's layout")


def _qrels_file(folder: Path, split: str) -> Path:
    path = folder / "qrels" / f"{split}.tsv"
    if path.is_file():
        return path
    others = sorted(file.stem for file in (folder / "qrels").glob("*.tsv"))
    hint = f"it has {', '.join(others)}" if others else "a retrieval task needs BEIR's layout"
    raise EvaluationError(f"{folder} has no qrels/{split}.tsv; {hint}")
