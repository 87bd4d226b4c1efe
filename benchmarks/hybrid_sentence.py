"""Hybrid search against its two parts, on judged collections, with a sentence encoder's vectors.

    python -m benchmarks.hybrid_sentence

As `benchmarks.hybrid`, with all-MiniLM-L6-v2 in place of word vectors of the collection's text. A
document is one passage, a query is all of its text; the encoder reads the first 256 tokens of
either. The default weight was chosen on Cranfield and CISI alone (docs/decisions/fusion.md), CACM
and SciFact had no say. The spaces are kept in .cache, so that only the first run encodes.
"""

from __future__ import annotations

import warnings

import rowspace as rs
from benchmarks.common import CACHE, data_folder, record
from benchmarks.contextual_speed import minilm
from benchmarks.hybrid import SETS, ndcg, write_corpus
from rowspace.evaluate.beir import RetrievalTask, read_retrieval_task
from rowspace.search.build import SENTENCE_DENSE_WEIGHT
from rowspace.search.space import Space

WEIGHTS = (0.2, 0.3, 0.5, 0.7, 1.0, 1.5, 2.0, 3.0)


def main() -> None:
    warnings.filterwarnings("ignore", message=".* longer than")
    names = ["lexical", "dense", *(f"hybrid {weight:g}" for weight in WEIGHTS)]
    lines = [
        f"nDCG@10 with all-MiniLM-L6-v2; the default weight is {SENTENCE_DENSE_WEIGHT:g}",
        f"{'':10}" + "".join(f"{name:>12}" for name in names) + "  hybrid at the default is above",
    ]
    for collection in SETS:
        task = read_retrieval_task(data_folder() / "retrieval" / collection)
        space = kept_space(collection, task)
        found = {mode: ndcg(space, task, mode) for mode in names[:2]}
        found |= {f"hybrid {weight:g}": ndcg(space, task, "hybrid", weight) for weight in WEIGHTS}
        default = found[f"hybrid {SENTENCE_DENSE_WEIGHT:g}"]
        above = [name for name in names[:2] if default > found[name]]
        lines.append(
            f"{collection:10}"
            + "".join(f"{found[name]:12.4f}" for name in names)
            + f"  {' and '.join(above) or 'neither'}"
        )
    record("Hybrid search against its parts, with a sentence encoder", lines)


def kept_space(collection: str, task: RetrievalTask) -> Space:
    """The task's documents as a space, made once."""
    path = CACHE / f"hybrid-sentence-{collection}.space"
    if (path / "report.html").exists():
        return rs.open_space(path)
    corpus = write_corpus(task, CACHE / f"hybrid-sentence-{collection}.jsonl")
    return rs.build(corpus, path, model=str(minilm()), passage_words=100_000, resume=True)


if __name__ == "__main__":
    main()
