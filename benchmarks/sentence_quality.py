"""Sentence embedders side by side: pairs of sentences, and retrieval.

    python -m benchmarks.sentence_quality --title TITLE [--words DIR] [--models DIR [DIR...]]
        [--tasks stsb scifact cranfield cisi cacm]

STS-B dev is Spearman's correlation of cosines and scores, the others nDCG@10, each in percent. With
--words, the plain mean of word vectors and the weighted one (SIF) come first.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Mapping
from pathlib import Path

import rowspace as rs
from benchmarks.common import data_folder, record
from rowspace.evaluate.beir import read_retrieval_task
from rowspace.evaluate.retrieval import evaluate_rankings, retrieve_dense
from rowspace.evaluate.sentence_data import read_sentence_task
from rowspace.evaluate.sts import evaluate_sts_task
from rowspace.space.encoder import Encoder
from rowspace.static.mean import MeanEncoder
from rowspace.static.sif import SIFEncoder

TASKS = ("stsb", "scifact", "cranfield", "cisi", "cacm")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--title", default="Sentence embedders")
    parser.add_argument("--words", help="word vectors, for their averages")
    parser.add_argument("--models", nargs="*", default=[], help="folders of embedders")
    parser.add_argument("--tasks", nargs="+", default=TASKS, choices=TASKS)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")  # of long texts that are cut: they are cut for all
    encoders = encoders_of(arguments.words, arguments.models)
    scores: dict[str, list[float]] = {name: [] for name in encoders}
    for task in arguments.tasks:
        for name, encoder in encoders.items():
            scores[name].append(score(encoder, task))
            print(f"{task} {name}: {scores[name][-1]:.1f}", flush=True)
    record(arguments.title, table(arguments.tasks, scores))


def encoders_of(words: str | None, models: list[str]) -> dict[str, Encoder]:
    """What is compared, by name."""
    found: dict[str, Encoder] = {}
    if words is not None:
        vectors = rs.load(words)
        found["plain mean of words"] = MeanEncoder(vectors)
        found["SIF"] = SIFEncoder.from_vectors(vectors)
    return found | {"/".join(Path(model).parts[-2:]): rs.load_encoder(model) for model in models}


def score(encoder: Encoder, task: str) -> float:
    """In percent."""
    if task == "stsb":
        pairs = read_sentence_task(data_folder() / "sentence" / "stsb", "dev")
        return 100 * evaluate_sts_task(encoder, pairs).spearman
    collection = read_retrieval_task(data_folder() / "retrieval" / task)
    rankings = retrieve_dense(encoder, collection, 10)
    return 100 * evaluate_rankings(collection, rankings, 10).scores["ndcg_at_k"]


def table(tasks: list[str], scores: Mapping[str, list[float]]) -> list[str]:
    """One row an encoder."""
    width = max(map(len, scores))
    head = " " * width + "".join(f"{task:>10}" for task in tasks)
    rows = [name.ljust(width) + "".join(f"{x:10.1f}" for x in row) for name, row in scores.items()]
    return [head, *rows]


if __name__ == "__main__":
    main()
