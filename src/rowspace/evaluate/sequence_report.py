"""Sequence models on all tasks that are asked for, over one model's vectors or several models'."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from rowspace.errors import EvaluationError
from rowspace.evaluate.labelled_texts import read_text_task
from rowspace.evaluate.next_word import (
    NextWordConfig,
    NextWordTask,
    bigram,
    next_word_task,
    read_articles,
    unigram,
)
from rowspace.evaluate.sequence import TokenVectors
from rowspace.evaluate.sequence_config import SequenceConfig
from rowspace.evaluate.sequence_curves import learning_curves, runs_folder
from rowspace.evaluate.sequence_inputs import Kind, digest
from rowspace.evaluate.sequence_page import render_sequence_page
from rowspace.evaluate.sequence_results import Curves, kept
from rowspace.evaluate.sequence_tasks import choose_sequence_tasks
from rowspace.extras import require_torch
from rowspace.files import write_json
from rowspace.space.pages import write_page

PAGE, RESULTS = "report.html", "results.json"
_OF_TABLES: tuple[Kind, ...] = ("random", "random, frozen", "frozen", "fine-tuned")


@dataclass(frozen=True, kw_only=True)
class SequenceReport:
    """What `evaluate_sequences` found."""

    config: SequenceConfig
    next_word_config: NextWordConfig
    curves: list[Curves]
    next_words: dict[str, dict[str, float | str]]
    """By text, then by embedding: the perplexity, or why there is none."""

    def as_dict(self) -> dict[str, Any]:
        """As JSON can hold it."""
        return {
            "config": asdict(self.config),
            "curves": [one.as_dict() for one in self.curves],
            "next_word_config": asdict(self.next_word_config),
            "next_words": self.next_words,
        }


def evaluate_sequences(
    readers: Mapping[str, TokenVectors],
    data: Path | str,
    *,
    only: Sequence[str] | None = None,
    config: SequenceConfig | None = None,
    next_word_config: NextWordConfig | None = None,
    out: Path | str | None = None,
    threads: int | None = None,
) -> SequenceReport:
    """Draw learning curves and tell next words, on the tasks of a data folder.

    Parameters
    ----------
    readers : mapping of str to TokenVectors
    data : path
        Has `classify/*/` and `lm/wikitext*.txt`, or one of them.
    only : sequence of str, optional
        Names of tasks; trec, sst2 and subj if not given.
    config : SequenceConfig, optional
    next_word_config : NextWordConfig, optional
    out : path, optional
        Folder for the page, results.json and the runs, of which none that is there is repeated.
    threads : int, optional
        As `learning_curves`.

    Returns
    -------
    SequenceReport

    Raises
    ------
    EvaluationError
        If there is no such task, or one cannot be read.
    MissingExtraError
        If torch is not installed.
    """
    require_torch("a sequence model")
    config, next_word_config = config or SequenceConfig(), next_word_config or NextWordConfig()
    labelled, articles = choose_sequence_tasks(data, only)
    curves = [
        learning_curves(readers, read_text_task(path), config, out=out, threads=threads)
        for path in labelled.values()
    ]
    next_words = {}
    for name, path in articles.items():
        task = next_word_task(name, read_articles(path), next_word_config)
        next_words[name] = next_word_perplexities(readers, task, next_word_config, out)
    report = SequenceReport(
        config=config, next_word_config=next_word_config, curves=curves, next_words=next_words
    )
    if out is not None:
        _write(report, Path(out), ", ".join(readers))
    return report


def next_word_perplexities(
    readers: Mapping[str, TokenVectors],
    task: NextWordTask,
    config: NextWordConfig,
    out: Path | str | None = None,
) -> dict[str, float | str]:
    """Perplexity over each kind of embedding, and of counts; or why there is none.

    What is trained is kept below `out`, and what is there already is not trained again.
    """
    runs = None if out is None else runs_folder(out)
    found: dict[str, float | str] = {
        "counts of words": unigram(task).perplexity,
        "counts of pairs": bigram(task).perplexity,
    }
    for name, reader in readers.items():
        if reader.is_contextual:
            title = f"{name}, contextual"
            try:
                found[title] = _perplexity(reader, task, config, "contextual", runs)
            except EvaluationError as error:
                found[title] = str(error)
            continue
        for kind in _OF_TABLES:
            title = kind if kind.startswith("random") else f"{name}, {kind}"
            if title not in found:
                found[title] = _perplexity(reader, task, config, kind, runs)
    return found


def _perplexity(
    reader: TokenVectors,
    task: NextWordTask,
    config: NextWordConfig,
    kind: Kind,
    runs: Path | None,
) -> float:
    """Of one model, which is trained if it was not before."""
    from rowspace.evaluate import next_word_training

    inputs = next_word_training.next_word_inputs(reader, task, config, kind)
    texts = [task.texts, task.n_train, task.n_held_out]
    parts = ["next word", texts, asdict(config), digest(inputs.table), inputs.is_trained]

    def train() -> dict[str, Any]:
        result = next_word_training.train_next_word(inputs, task, config)
        return {
            "task": task.name,
            "kind": kind,
            "perplexity": result.perplexity,
            "epoch": result.epoch,
        }

    return float(kept(runs, parts, train)["perplexity"])


def _write(report: SequenceReport, out: Path, name: str) -> None:
    out.mkdir(parents=True, exist_ok=True)
    write_json(out / RESULTS, report.as_dict())
    made = datetime.now().astimezone()
    page = render_sequence_page(
        name,
        report.curves,
        report.config,
        report.next_words,
        report.next_word_config,
        made,
    )
    write_page(out / PAGE, page)
