"""Hybrid search against its two parts, on judged collections, with vectors of their own text.

    python -m benchmarks.hybrid

Each collection is built into a space as `rowspace build` does by default but for one setting: a
document is one passage, as in BEIR. The weight of the dense ranking is swept; the default was
chosen on Cranfield and CISI alone (docs/decisions/fusion.md), CACM and SciFact had no say.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path

import rowspace as rs
from benchmarks.common import data_folder, record
from rowspace.evaluate.beir import RetrievalTask, read_retrieval_task
from rowspace.evaluate.retrieval import evaluate_rankings, retrieve
from rowspace.search.build import SIF_DENSE_WEIGHT
from rowspace.search.space import Space

SETS = ("cranfield", "cisi", "cacm", "scifact")
WEIGHTS = (1.0, 0.5, 0.3, 0.2, 0.1)
SEEDS = (1, 2, 3)


def main() -> None:
    names = ["lexical", "dense", *(f"hybrid {weight:g}" for weight in WEIGHTS)]
    lines = [
        f"nDCG@10, mean of {len(SEEDS)} training seeds; the default weight is "
        f"{SIF_DENSE_WEIGHT:g}; spread: lowest and highest of the seeds at it",
        f"{'':10}" + "".join(f"{name:>12}" for name in names) + f"{'spread':>16}  hybrid is above",
    ]
    for collection in SETS:
        task = read_retrieval_task(data_folder() / "retrieval" / collection)
        runs = [scores(task, seed) for seed in SEEDS]
        mean = {name: sum(run[name] for run in runs) / len(runs) for name in names}
        default = f"hybrid {SIF_DENSE_WEIGHT:g}"
        spread = [run[default] for run in runs]
        above = [name for name in names[:2] if mean[default] > mean[name]]
        lines.append(
            f"{collection:10}"
            + "".join(f"{mean[name]:12.4f}" for name in names)
            + f"{min(spread):9.4f}{max(spread):7.4f}  {' and '.join(above) or 'neither'}"
        )
    record("Hybrid search against its parts", lines)


def scores(task: RetrievalTask, seed: int) -> dict[str, float]:
    """nDCG@10 by kind of search, in a space built from the task's documents."""
    with tempfile.TemporaryDirectory() as folder:
        corpus = write_corpus(task, Path(folder, "corpus.jsonl"))
        space = rs.build(
            corpus, Path(folder, "space"), passage_words=100_000, word2vec={"seed": seed}
        )
        result = {mode: ndcg(space, task, mode) for mode in ("lexical", "dense")}
        return result | {
            f"hybrid {weight:g}": ndcg(space, task, "hybrid", weight) for weight in WEIGHTS
        }


def write_corpus(task: RetrievalTask, path: Path) -> Path:
    """The task's documents that have text, as jsonl."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        for document_id, text in task.documents.items():
            if text.strip():
                file.write(json.dumps({"_id": document_id, "text": text}) + "\n")
    return path


def ndcg(space: Space, task: RetrievalTask, mode: str, weight: float | None = None) -> float:
    """nDCG@10 of a kind of search in a space of the task's documents."""

    def ranked(queries: Sequence[str], k: int) -> list[list[str]]:
        found = space.search_batch(queries, k, mode, dense_weight=weight)
        return [[hit.document_id for hit in hits] for hits in found]

    return evaluate_rankings(task, retrieve(ranked, task, 10), k=10).scores["ndcg_at_k"]


if __name__ == "__main__":
    main()
