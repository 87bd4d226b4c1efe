"""Retrieval tasks, read from folders in the layout of BEIR.

Thakur et al. (2021), https://arxiv.org/abs/2104.08663. What does not fit together (judgements of
unknown queries or documents) is counted, so that a score never hides it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from rowspace.errors import EvaluationError
from rowspace.evaluate.ranking import Grades, relevant_documents
from rowspace.text import beir


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
    return RetrievalTask(
        name=folder.name,
        documents=dict(beir.read_corpus(folder, EvaluationError)),
        queries=dict(beir.read_queries(folder, EvaluationError)),
        qrels=read_qrels(beir.qrels_file(folder, split, EvaluationError)),
    )


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
    return beir.read_qrels(Path(path), EvaluationError)
