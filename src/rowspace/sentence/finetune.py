"""Training a sentence embedder on pairs: contrastive, of people's scores, or of a teacher's.

Reimers & Gurevych (2019), https://arxiv.org/abs/1908.10084; Karpukhin et al. (2020),
https://arxiv.org/abs/2004.04906. `finetune_run` has the steps.
"""

from __future__ import annotations

import contextlib
import dataclasses
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rowspace.files import write_folder_atomically, write_json
from rowspace.sentence.card import Ingredients, model_card
from rowspace.sentence.development import DevelopmentSet
from rowspace.sentence.finetune_config import FinetuneConfig
from rowspace.sentence.finetune_run import CHECKPOINT, Run
from rowspace.sentence.model import SentenceModel
from rowspace.sentence.pairs import Examples
from rowspace.sentence.static_model import StaticModel
from rowspace.space.encoder import Encoder
from rowspace.text.runs import work_folder, work_folder_of
from rowspace.transformer.distributed import ALONE, World

RECORD = "training.json"


@dataclass(frozen=True)
class FinetuneReport:
    """What a run was, and came to."""

    n_examples: int
    n_steps: int
    """Taken."""
    n_empty: int
    """Examples left out, as their anchor or positive is empty, and empty negatives of others."""
    n_left_out: int
    """Examples of the first epoch that found no batch without their texts in it."""
    n_truncated: int
    """Texts whose end was not read; counted again each time that a text came."""
    losses: list[tuple[int, float]]
    """(steps taken, mean loss since the entry before)."""
    scores: list[tuple[int, float]]
    """(steps taken, score of the development set)."""
    metric: str | None
    """What the scores are; None without a development set."""
    best_step: int | None
    """Steps after which the weights were best, which are those that were written."""
    seconds: float
    """Of the steps, without looks at the development set."""


class SentenceTrainer:
    """Trains embedders with these settings.

    Parameters
    ----------
    config : FinetuneConfig, optional
    world : World
        The processes that train together, as `joined()` gives it. Each calls `fit` with the same
        arguments and gets the same result, but for the seconds; the first alone scores and writes,
        in folders that all must see.
    **settings
        The config's fields, where no config is given.

    Examples
    --------
    ::

        from rowspace.sentence import SentenceModel, SentenceTrainer, read_pairs
        trainer = SentenceTrainer(epochs=2)
        report = trainer.fit(SentenceModel.load("models/minilm"), read_pairs("pairs.jsonl"),
                             "mine")
    """

    def __init__(
        self, config: FinetuneConfig | None = None, *, world: World = ALONE, **settings: Any
    ) -> None:
        self.config = FinetuneConfig(**settings) if config is None else config
        self.world = world

    def fit(
        self,
        model: SentenceModel | StaticModel,
        sources: Sequence[Examples],
        out: Path | str,
        *,
        development: DevelopmentSet | None = None,
        teacher: Encoder | None = None,
        base: str = "",
        resume: bool = False,
    ) -> FinetuneReport:
        """Train, and write a sentence-transformers folder.

        Parameters
        ----------
        model : SentenceModel or StaticModel
            Trained in place. Read it anew to go on with a run, or for another one.
        sources : sequence of Examples
            Each has batches of its own.
        out : path
            A run works in a folder beside it, which is removed when all is done.
        development : DevelopmentSet, optional
            The weights that score best on it are those that are written.
        teacher : Encoder, optional
            Whose vectors the losses embedding_mse and embedding_cosine draw to.
        base : str
            What the model is called that was trained on, for the card.
        resume : bool
            Go on with the run that is there; it ends with the same weights, but for the last
            digits if it is gone on with by another number of processes.

        Raises
        ------
        ConfigError
            If a setting cannot be, `out` exists, or a run is there that was not asked for.
        FormatError
            If the run that is there is of other settings or examples, or damaged.
        TrainingError
            If the loss, a weight or a vector is no number; what was saved before stays.
        ClusterError
            If a process ended, was given something else, or does not see the folder of `out`.
        KeyboardInterrupt
            After Ctrl-C, when the step is done and saved.
        """
        out, world = Path(out), self.world
        with _shared_work_folder(out, resume, world) as work:
            run = Run(self.config, model, sources, development, teacher, work, world)
            run.fit()
            report = _report(run)
            if world.is_first:
                self._write(run, report, out, base)
            world.wait()
        if world.is_first:
            shutil.rmtree(work)
        return report

    def _write(self, run: Run, report: FinetuneReport, out: Path, base: str) -> None:
        made_of = Ingredients(
            base=Path(base).name if Path(base).exists() else base,
            sources=[source.name for source in run.sources],
            losses=list(dict.fromkeys(run.losses)),
            has_teacher=run.teacher is not None,
        )
        card = model_card(report, self.config, made_of)
        with write_folder_atomically(out) as folder:
            run.model.save(folder, card=card)
            write_json(folder / RECORD, _record(report, self.config, made_of))


@contextlib.contextmanager
def _shared_work_folder(out: Path, resume: bool, world: World) -> Iterator[Path]:
    """As `work_folder`, which the first process sees to."""
    if not world.is_first:
        world.wait()
        yield work_folder_of(out)
        return
    with work_folder(out, resume, (CHECKPOINT,)) as work:
        work.mkdir(parents=True, exist_ok=True)
        world.wait()
        yield work


def _report(run: Run) -> FinetuneReport:
    progress = run.progress
    return FinetuneReport(
        n_examples=sum(map(len, run.sources)),
        n_steps=progress.step,
        n_empty=sum(source.n_empty for source in run.sources),
        n_left_out=run.n_left_out,
        n_truncated=progress.n_truncated,
        losses=progress.losses,
        scores=progress.scores,
        metric=None if run.development is None else run.development.metric,
        best_step=progress.best_step,
        seconds=progress.seconds,
    )


def _record(report: FinetuneReport, config: FinetuneConfig, made_of: Ingredients) -> dict[str, Any]:
    return {
        "sentence": 1,
        **dataclasses.asdict(made_of),
        "config": dataclasses.asdict(config),
        "report": dataclasses.asdict(report),
    }
