"""The plots of chapter 5: meaning against words, a threshold of cosine, lists read against recall.

Run as `python docs/plots/retrieval.py cranfield.space DATA/retrieval/cranfield`, after
`rowspace build DATA/retrieval/cranfield/corpus.jsonl.gz --out cranfield.space --model
all-MiniLM-L6-v2 --passage-words 100000`.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from drawing import draw
from numpy.typing import NDArray

import rowspace as rs
from rowspace.evaluate.beir import RetrievalTask, read_retrieval_task
from rowspace.evaluate.retrieval import evaluate_rankings
from rowspace.search.request import Request
from rowspace.search.space import Space
from rowspace.space.clusters import cluster
from rowspace.space.plots import Series
from rowspace.space.similarity import unit_rows

NOVELS = Path(__file__).parents[2] / "examples" / "gutenberg"
WEIGHTS = (0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0)
THRESHOLDS = tuple(np.arange(0.0, 0.81, 0.05).round(2).tolist())
N_LISTS = 64
N_QUERIES = 500


def by_weight(space: Space, task: RetrievalTask) -> None:
    """nDCG@10 by how much meaning counts beside words."""

    def scores(mode: str, weights: tuple[float, ...]) -> list[float]:
        ids = list(task.judged_queries)
        texts = [task.queries[i] for i in ids]
        ranked = space.rank_documents(texts, Request(k=10, mode=mode), weights)
        per_weight = [dict(zip(ids, lists, strict=True)) for lists in zip(*ranked, strict=True)]
        return [evaluate_rankings(task, found, 10).ndcg_at_k for found in per_weight]

    (lexical,), (dense,) = scores("lexical", (1.0,)), scores("dense", (1.0,))
    hybrid = scores("hybrid", WEIGHTS)
    print("lexical", lexical, "dense", dense, "hybrid", dict(zip(WEIGHTS, hybrid, strict=True)))
    ends = (WEIGHTS[0], WEIGHTS[-1])
    draw(
        "hybrid-by-weight",
        [
            Series("both, fused", list(zip(WEIGHTS, hybrid, strict=True)), 0),
            Series("words alone", [(x, lexical) for x in ends], 1, is_dashed=True),
            Series("meaning alone", [(x, dense) for x in ends], 2, is_dashed=True),
        ],
        task.name,
        "weight of meaning, beside 1 for words (log)",
        "nDCG@10",
        (0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10),
    )


def by_threshold(space: Space, task: RetrievalTask) -> None:
    """What is kept if only documents of at least some cosine count."""
    table = space.to_arrow(["document_id", "vector"]).read_all()
    ids = table["document_id"].to_pylist()
    units = unit_rows(np.stack(table["vector"].to_numpy())).astype(np.float32)
    judged = list(task.judged_queries)
    queries = unit_rows(space.encoder.encode([task.queries[i] for i in judged]))  # type: ignore[arg-type]
    cosines = queries @ units.T
    relevant = np.array([[task.qrels[q].get(d, 0) > 0 for d in ids] for q in judged])
    kept = [(t, float((cosines[relevant] >= t).mean())) for t in THRESHOLDS]
    right = [(t, float(relevant[cosines >= t].mean())) for t in THRESHOLDS if (cosines >= t).any()]
    nothing = [(t, float((cosines.max(axis=1) < t).mean())) for t in THRESHOLDS]
    print("kept", kept, "right", right, "nothing", nothing, sep="\n")
    draw(
        "cosine-threshold",
        [
            Series("relevant ones kept", kept, 0),
            Series("of the kept, relevant", right, 1),
            Series("queries left empty", nothing, 2, is_dashed=True),
        ],
        task.name,
        "least cosine",
        "share",
        (0, 0.2, 0.4, 0.6, 0.8),
        x_is_log=False,
    )


def nearest(cosines: NDArray[np.float32], k: int) -> NDArray[np.int64]:
    """The k largest of each row."""
    return np.argsort(-cosines, axis=1)[:, :k]


def by_lists() -> None:
    """Recall of an inverted file on word vectors, by how much of it is read."""
    vectors = rs.Word2Vec(dim=100, epochs=5, n_threads=1).fit(NOVELS)
    units = unit_rows(vectors.matrix).astype(np.float32)
    lists = cluster(units, N_LISTS)
    queries = np.random.default_rng(0).choice(len(units), N_QUERIES, replace=False)
    cosines = units[queries] @ units.T
    cosines[np.arange(N_QUERIES), queries] = -1.0
    truth = nearest(cosines, 10)
    order = np.argsort(-(units[queries] @ lists.centers.T.astype(np.float32)), axis=1)
    values = []
    for n in (1, 2, 4, 8, 16, 32, 64):
        is_read = (lists.groups[None, :, None] == order[:, None, :n]).any(axis=2)
        found = nearest(np.where(is_read, cosines, -2.0), 10)
        hits = [np.isin(a, b).mean() for a, b in zip(found, truth, strict=True)]
        values.append((100 * float(is_read.mean()), float(np.mean(hits))))
    print("lists", values)
    draw(
        "recall-by-share-read",
        [Series("recall@10", values, 0)],
        f"{len(units):,} word vectors in {N_LISTS} lists",
        "percent of the vectors compared (log)",
        "recall@10",
        (1, 2, 5, 10, 20, 50, 100),
    )


def main(folder: str, data: str) -> None:
    """Draw all three."""
    space, task = rs.open_space(folder), read_retrieval_task(data)
    by_weight(space, task)
    by_threshold(space, task)
    by_lists()


if __name__ == "__main__":
    main(*sys.argv[1:])
