"""Extrapolation: models trained at one length, read at up to many times that length.

What decided between methods of position (Press, Smith & Lewis 2022, ALiBi,
https://arxiv.org/abs/2108.12409, figure 1): the same model is trained with each, on the same texts
in the same order, and then reads held-out text in longer and longer windows.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rowspace.errors import FormatError
from rowspace.evaluate.extrapolation_config import ExtrapolationConfig
from rowspace.evaluate.extrapolation_results import Results, summarize
from rowspace.evaluate.extrapolation_run import (
    Measured,
    Text,
    measured_from_json,
    measured_to_json,
    run_model,
)
from rowspace.evaluate.window_loss import check_text
from rowspace.files import write_folder_atomically, write_json
from rowspace.space.pages import write_page
from rowspace.text.corpus import Corpus
from rowspace.text.runs import remember_run, work_folder
from rowspace.transformer.pretrain import (
    TOKENS,
    LanguageModelTrainer,
    limited_threads,
)
from rowspace.transformer.tokens import DESCRIPTION

RESULTS, PAGE, RUNS = "results.json", "report.html", "runs"


@dataclass(frozen=True)
class Finished:
    """One model that was trained and measured."""

    position: str
    seed: int
    measured: list[Measured]
    seconds: float
    """Of training and measuring; not of what was before an interrupt."""

    @classmethod
    def read(cls, path: Path) -> Finished:
        """What `write` wrote.

        Raises
        ------
        FormatError
            If the file is damaged.
        """
        try:
            record = json.loads(path.read_text())
            measured = [measured_from_json(entry) for entry in record.pop("measured")]
            return cls(measured=measured, **record)
        except (ValueError, KeyError, TypeError) as error:
            raise FormatError(
                f"{path} is damaged ({error}); remove it, to train that model anew"
            ) from error

    def write(self, path: Path) -> None:
        """Write it as JSON, atomically."""
        path.parent.mkdir(parents=True, exist_ok=True)
        write_json(path, self.as_dict())

    def as_dict(self) -> dict[str, Any]:
        """As JSON can hold it."""
        return {
            "position": self.position,
            "seed": self.seed,
            "seconds": self.seconds,
            "measured": [measured_to_json(entry) for entry in self.measured],
        }


def extrapolate(
    corpus: Corpus | Path | str,
    out: Path | str,
    config: ExtrapolationConfig | None = None,
    *,
    resume: bool = False,
    on_finished: Callable[[Finished], None] = lambda finished: None,
) -> Results:
    """Train a model for each position and seed, and measure all at all lengths.

    Parameters
    ----------
    corpus : Corpus or path
    out : path
        A folder to be made, with results.json and report.html. The experiment works in another
        beside it, with `.training` at its end, which is removed when all is done.
    config : ExtrapolationConfig, optional
    resume : bool
        Go on with the experiment that is there: models that were finished stay as they are, and
        the one that was not goes on from its last checkpoint.
    on_finished : callable
        Told of each model, also those that were there.

    Raises
    ------
    ConfigError
        If `out` exists, there is an experiment that did not finish and it is not to be resumed, or
        it is of other text or settings.
    CorpusError
        If the text cannot be read, or is shorter than `train_length`.
    EvaluationError
        If the held-out text is shorter than the longest window.
    TrainingError
        If training diverged; what was done is kept.
    KeyboardInterrupt
        After Ctrl-C; what was done is kept.
    """
    out, config = Path(out), config or ExtrapolationConfig()
    corpus = corpus if isinstance(corpus, Corpus) else Corpus(corpus)
    started = time.monotonic()
    with work_folder(out, resume, (f"{RUNS}/*.json", f"{RUNS}/*/*")) as work:
        read = f"{TOKENS}/{DESCRIPTION}"
        remember_run(work, corpus, config.without_machine(), {"experiment": "extrapolate"}, read)
        with limited_threads(config.training(config.positions[0], 1).threads):
            text = _read_text(corpus, config, work)
            finished = _run_all(config, text, work, on_finished)
        results = summarize(config, text, [model.measured for model in finished])
        seconds = sum(model.seconds for model in finished)
        _write(out, results, finished, max(seconds, time.monotonic() - started))
    shutil.rmtree(work)
    return results


def _read_text(corpus: Corpus, config: ExtrapolationConfig, work: Path) -> Text:
    """The tokens of all models, with as much held out as is measured at every length."""
    training = config.text_settings()
    tokenizer, train, held_out = LanguageModelTrainer(training).prepare(corpus, work)
    check_text(held_out.n_tokens, config.longest)
    n_wanted = min(config.eval_tokens, held_out.n_tokens - 1)
    n_measured = max(1, n_wanted // config.longest) * config.longest  # whole windows alone
    return Text(tokenizer, train.open(), held_out.open()[: n_measured + 1])


def _run_all(
    config: ExtrapolationConfig,
    text: Text,
    work: Path,
    on_finished: Callable[[Finished], None],
) -> list[Finished]:
    """Seed by seed, so that an experiment that is stopped early has something of each method."""
    finished = []
    for seed in range(1, config.seeds + 1):
        for position in config.positions:
            path = work / RUNS / f"{position}-{seed}.json"
            if not path.exists():
                _run_one(config, text, position, seed, path)
            finished.append(Finished.read(path))
            on_finished(finished[-1])
    return finished


def _run_one(config: ExtrapolationConfig, text: Text, position: str, seed: int, path: Path) -> None:
    started, checkpoints = time.monotonic(), path.with_suffix("")
    checkpoints.mkdir(parents=True, exist_ok=True)
    measured = run_model(config, text, position, seed, checkpoints)
    Finished(position, seed, measured, time.monotonic() - started).write(path)
    shutil.rmtree(checkpoints)


def _write(out: Path, results: Results, finished: list[Finished], seconds: float) -> None:
    from rowspace.evaluate.extrapolation_page import render_page

    with write_folder_atomically(out) as folder:
        write_json(folder / RESULTS, results.as_dict())
        page = render_page(out.name, results, seconds, datetime.now(UTC))
        write_page(folder / PAGE, page)
        for model in finished:
            model.write(folder / RUNS / f"{model.position}-{model.seed}.json")
