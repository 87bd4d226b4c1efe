"""Word senses told from a few examples: by transformers, and by word vectors beside them.

    python -m benchmarks.senses --static DIR --models DIR [DIR...] [--limit N]

CoarseWSD-20, Senseval's lexical samples and Word-in-Context, as `rowspace eval --task sense` scores
them; `word alone` is a transformer without the sentence's vector, `word hidden` one that reads a
mask in the word's place, and the sentence without the word.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

import rowspace as rs
from benchmarks.common import data_folder, record
from rowspace.evaluate.occurrence_encoders import (
    NeighborOccurrences,
    OccurrenceEncoder,
    StaticOccurrences,
    TransformerOccurrences,
)
from rowspace.evaluate.sense import CLASSIFIERS, SenseResult, SenseSettings
from rowspace.evaluate.tasks import Report, Settings, find_tasks, run_tasks
from rowspace.transformer.load_encoder import load_encoder

N_EXAMPLES = (1, 3, 10, 30)
SHOWN = N_EXAMPLES.index(10)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--static", required=True, help="word vectors")
    parser.add_argument("--models", nargs="+", required=True, help="transformers")
    parser.add_argument("--limit", type=int, help="at most so many occurrences of a word")
    arguments = parser.parse_args()
    encoders = encoders_of(arguments.static, arguments.models)
    sense = SenseSettings(n_examples=N_EXAMPLES, limit=arguments.limit)
    tasks, _ = find_tasks(data_folder(), ["sense"])
    settings = Settings(sense=sense)
    report = run_tasks(None, tasks, occurrence_encoders=encoders, settings=settings)
    lines = [
        f"macro-F1, mean of {len(sense.seeds)} draws of examples"
        + (f"; at most {sense.limit} occurrences of a word" if sense.limit else "")
    ]
    for family in ("coarsewsd20", "senseval"):
        results = {
            name: [r for task, r in of_tasks.items() if task.startswith(family)]
            for name, of_tasks in report.senses.items()
        }
        lines += ["", *by_word(family, results), "", *by_examples(family, results)]
    record("Senses of words", [*lines, "", *wic(report)])


def encoders_of(static: str, models: Sequence[str]) -> dict[str, OccurrenceEncoder]:
    """What is compared, by name."""
    vectors = rs.load(static)
    found: dict[str, OccurrenceEncoder] = {
        "static": StaticOccurrences(vectors),
        "neighbors": NeighborOccurrences(vectors),
    }
    for model in models:
        encoder, name = load_encoder(model), Path(model).name
        found[f"{name}, word alone"] = TransformerOccurrences(encoder, sentence_weight=0)
        found[name] = TransformerOccurrences(encoder)
        if encoder.tokenizer.mask_id is not None:
            found[f"{name}, word hidden"] = TransformerOccurrences(encoder, hidden=True)
    return found


def by_word(family: str, results: Mapping[str, Sequence[SenseResult]]) -> list[str]:
    """One row an encoder, at 10 examples a sense, to the nearest centroid."""
    first = next(iter(results.values()))
    words = [result.task.split("/")[1] for result in first]
    usual = [result.most_frequent_f1 for result in first]
    rows = {"most frequent": usual} | {
        name: [result.scores["centroid"][SHOWN].macro_f1 for result in of_words]
        for name, of_words in results.items()
    }
    title = f"{family}, {N_EXAMPLES[SHOWN]} a sense"
    lines = [f"{title:34}" + "".join(f"{word:>9}" for word in [*words, "mean"])]
    for name, values in rows.items():
        lines.append(f"{name:34}" + "".join(f"{v:9.3f}" for v in [*values, np.mean(values)]))
    return lines


def by_examples(family: str, results: Mapping[str, Sequence[SenseResult]]) -> list[str]:
    """One row an encoder and classifier: the mean over words for each number of examples."""
    lines = [f"{family + ', mean of words':46}" + "".join(f"{n:>9}" for n in N_EXAMPLES)]
    for name, of_words in results.items():
        for classifier in CLASSIFIERS:
            table = [[s.macro_f1 for s in result.scores[classifier]] for result in of_words]
            means = "".join(f"{value:9.3f}" for value in np.mean(table, axis=0))
            lines.append(f"{f'{name}, {classifier}':46}{means}")
    return lines


def wic(report: Report) -> list[str]:
    """One row an encoder: the accuracy on each file of pairs."""
    rows = [
        f"{name:34}{result.accuracy:9.3f}{result.accuracy_std:9.3f}"
        for name, results in report.wic.items()
        for result in results.values()
    ]
    return [f"{'word in context':34} accuracy  ± folds", *rows]


if __name__ == "__main__":
    main()
