"""Tasks of mteb that read what they are given, and nothing from the network."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from datasets import Dataset, DatasetDict
from mteb.abstasks.retrieval import AbsTaskRetrieval
from mteb.abstasks.sts import AbsTaskSTS
from mteb.abstasks.task_metadata import TaskMetadata

from rowspace.evaluate.beir import RetrievalTask
from rowspace.evaluate.sentence_data import SentencePair

SPLIT = "test"


def metadata(name: str, kind: Any, main_score: str) -> TaskMetadata:
    """What mteb wants to know of a task."""
    return TaskMetadata(
        name=name,
        type=kind,
        main_score=main_score,
        description="",
        reference="https://example.org",
        dataset={"path": "none", "revision": "none"},
        category="t2t",
        eval_splits=[SPLIT],
        eval_langs=["eng-Latn"],
        date=("2000-01-01", "2000-01-02"),
        dialect=[],
        domains=[],
        task_subtypes=[],
        license="cc-by-4.0",
        annotations_creators="derived",
        modalities=["text"],
        sample_creation="found",
        bibtex_citation="",
    )


class LocalSTS(AbsTaskSTS):
    """Scored pairs of sentences."""

    metadata = metadata("LocalSTS", "STS", "cosine_spearman")

    def __init__(self, pairs: Sequence[SentencePair]) -> None:
        super().__init__()
        first, second, scores = (list(column) for column in zip(*pairs, strict=True))
        columns = {"sentence1": first, "sentence2": second, "score": scores}
        self.dataset = DatasetDict({SPLIT: Dataset.from_dict(columns)})
        self.data_loaded = True


class LocalRetrieval(AbsTaskRetrieval):
    """Documents, queries and judgements; a document's title is part of its text already."""

    metadata = metadata("LocalRetrieval", "Retrieval", "ndcg_at_10")

    def __init__(self, task: RetrievalTask) -> None:
        super().__init__()
        documents = [{"id": name, "text": text} for name, text in task.documents.items()]
        queries = [{"id": name, "text": task.queries[name]} for name in task.judged_queries]
        split: Any = {
            "corpus": Dataset.from_list(documents),
            "queries": Dataset.from_list(queries),
            "relevant_docs": {name: dict(task.qrels[name]) for name in task.judged_queries},
            "top_ranked": None,
        }
        self.dataset = {"default": {SPLIT: split}}
        self.data_loaded = True
