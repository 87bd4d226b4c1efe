"""Our BM25 (Lance's full text index) against bm25s, on the same words and on raw text.

    python -m benchmarks.bm25

"same words": both index the words that bm25s's tokenizer and PyStemmer give. The columns tell the
largest difference of any score among our first 100, and for how many queries the first ten are
the same (those whose scores differ by less than 1e-4 may change places). "raw": each analyses the
text itself. A space is measured when built, and after it was half deleted and added again.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import bm25s
import numpy as np
import Stemmer
from numpy.typing import NDArray

from benchmarks.common import data_folder, record
from rowspace.evaluate.beir import RetrievalTask, read_retrieval_task
from rowspace.evaluate.ranking import ndcg_at_k
from rowspace.search.manifest import ENCODERS
from rowspace.search.space import Space, open_space
from rowspace.search.writer import create_space
from rowspace.text.corpus import Document
from rowspace.text.passages import Passage

SETS = ("cranfield", "cisi", "cacm", "scifact")
DEPTH = 100
WHOLE = 1_000_000
"""Words in a passage: each document is one, as in BEIR."""


class NoEncoder:
    """Every vector is zero: only words count here."""

    dim = 1
    fingerprint = "none"

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        return np.zeros((len(texts), 1), np.float32)


@dataclass
class Row:
    name: str
    state: str
    worst: float
    same: float
    ours: float
    theirs: float
    milliseconds: float


def main() -> None:
    lines = [
        f"{'set':<10} {'state':<18} {'max |Δ|':>9} {'same 10':>8} "
        f"{'nDCG@10':>8} {'bm25s':>8} {'ms/query':>9}"
    ]
    for name in SETS:
        task = read_retrieval_task(data_folder() / "retrieval" / name)
        lines += [
            f"{row.name:<10} {row.state:<18} {row.worst:>9.1e} {row.same:>8.3f} "
            f"{row.ours:>8.4f} {row.theirs:>8.4f} {row.milliseconds:>9.1f}"
            for row in measure(name, task)
        ]
    record("BM25 against bm25s", lines, ["bm25s"])


def measure(name: str, task: RetrievalTask) -> Iterator[Row]:
    """One row a state of the space."""
    ENCODERS["none"] = ""
    texts = dict(task.documents)
    words = dict(zip(texts, tokenize(list(texts.values())), strict=True))
    queries = dict(zip(task.queries, tokenize(list(task.queries.values())), strict=True))
    theirs = Bm25s(words)
    with tempfile.TemporaryDirectory() as folder:
        joined = {key: " ".join(found) for key, found in words.items() if found}
        plain = {key: " ".join(found) for key, found in queries.items()}
        space = make_space(Path(folder, "words"), joined, None)
        yield compare(name, "same words", task, space, plain, theirs, queries)
        half = list(joined)[::2]
        space.delete(half)
        space.add(Document(key, "", joined[key], "") for key in half)
        yield compare(name, "… deleted, added", task, space, plain, theirs, queries)
        raw = make_space(Path(folder, "raw"), texts, "english")
        row = compare(name, "raw", task, raw, dict(task.queries), theirs, queries)
        row.worst = row.same = float("nan")
        yield row


def tokenize(texts: list[str]) -> list[list[str]]:
    """Stemmed words as bm25s finds them, those in ASCII: ours would fold the others."""
    stemmer = Stemmer.Stemmer("english")
    found = bm25s.tokenize(
        texts, stopwords="en", stemmer=stemmer, return_ids=False, show_progress=False
    )
    return [[word for word in words if word.isascii()] for words in found]


class Bm25s:
    """bm25s over {id: words}."""

    def __init__(self, words: dict[str, list[str]]) -> None:
        kept = {key: found for key, found in words.items() if found}
        self.ids = list(kept)
        self.model = bm25s.BM25(method="lucene", k1=1.2, b=0.75)
        self.model.index(list(kept.values()), show_progress=False)

    def scores(self, query: list[str]) -> dict[str, float]:
        known = [word for word in query if word in self.model.vocab_dict]
        if not known:
            return {}
        scores = self.model.get_scores(known)
        return {key: float(s) for key, s in zip(self.ids, scores, strict=True) if s > 0}


def make_space(path: Path, texts: dict[str, str], language: str | None) -> Space:
    """A space with each text as one passage."""
    passages = [Passage(key, 0, "", text, "") for key, text in texts.items()]
    batches = (
        (passages[i : i + 512], np.zeros((len(passages[i : i + 512]), 1), np.float32))
        for i in range(0, len(passages), 512)
    )
    create_space(
        path,
        NoEncoder(),
        batches,
        encoder_kind="none",
        field_types={},
        language=language,
        max_words=WHOLE,
    )
    return open_space(path, NoEncoder())


def compare(
    name: str,
    state: str,
    task: RetrievalTask,
    space: Space,
    plain: dict[str, str],
    theirs: Bm25s,
    queries: dict[str, list[str]],
) -> Row:
    """Ask every judged query of both."""
    start = time.perf_counter()
    found = {key: space.search(plain[key], DEPTH, "lexical") for key in task.judged_queries}
    seconds = time.perf_counter() - start
    worst, same, ours_ndcg, theirs_ndcg = 0.0, [], [], []
    for key, hits in found.items():
        truth = theirs.scores(queries[key])
        ranked = sorted(truth, key=lambda document: -truth[document])
        best = np.array([truth[document] for document in ranked[:DEPTH]])
        ids = [hit.document_id for hit in hits]
        scores = np.array([hit.score for hit in hits])
        true_scores = np.array([truth.get(document, 0.0) for document in ids])
        n = min(len(best), len(ids))
        worst = max([worst, *np.abs(scores - true_scores), *np.abs(scores[:n] - best[:n])])
        n = min(n, 10)
        same.append(bool(np.all(np.abs(true_scores[:n] - best[:n]) < 1e-4)))
        ours_ndcg.append(ndcg_at_k(ids, task.qrels[key], 10))
        theirs_ndcg.append(ndcg_at_k(ranked, task.qrels[key], 10))
    return Row(
        name=name,
        state=state,
        worst=float(worst),
        same=float(np.mean(same)),
        ours=float(np.mean(ours_ndcg)),
        theirs=float(np.mean(theirs_ndcg)),
        milliseconds=1000 * seconds / len(found),
    )


if __name__ == "__main__":
    main()
