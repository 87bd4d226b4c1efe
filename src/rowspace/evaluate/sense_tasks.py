"""The sense tasks of a data folder: CoarseWSD-20, Senseval's lexical samples, Word-in-Context.

They are in `context/coarsewsd20/WORD.train.tsv` and `WORD.test.tsv`, `context/senseval/*.jsonl` and
`context/wic/*.tsv`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from rowspace.errors import EvaluationError
from rowspace.evaluate.occurrence_encoders import OccurrenceEncoder
from rowspace.evaluate.sense import SenseResult, SenseSettings, evaluate_senses
from rowspace.evaluate.sense_data import SenseTask, read_coarse_wsd, read_senseval, read_wic
from rowspace.evaluate.wic import WicResult, evaluate_wic
from rowspace.text.streams import COMPRESSED, bare_suffix

HOME = "context"
SUFFIXES = {"coarsewsd20": ".tsv", "senseval": ".jsonl", "wic": ".tsv"}
"""Of the files of each folder."""

_TRAIN, _TEST = ".train.tsv", ".test.tsv"


def find_sense_tasks(data: Path) -> tuple[list[tuple[str, Path]], list[tuple[str, str]]]:
    """The sense tasks below a data folder.

    Returns
    -------
    found : list of (name, path)
        As "coarsewsd20/bank"; a word of CoarseWSD-20 by its test file.
    skipped : list of (name, reason)
        Folders that are missing and files that are no task.
    """
    if not (data / HOME).is_dir():
        return [], [(HOME, f"{data} has no folder {HOME}")]
    found: list[tuple[str, Path]] = []
    skipped: list[tuple[str, str]] = []
    for family, suffix in SUFFIXES.items():
        folder = data / HOME / family
        if not folder.is_dir():
            skipped.append((f"{HOME}/{family}", f"{data} has no folder {HOME}/{family}"))
            continue
        for path in sorted(folder.iterdir()):
            name = f"{family}/{_bare_name(path)}"
            if path.name.startswith("."):
                continue
            if bare_suffix(path) != suffix:
                skipped.append((name, f"not a {suffix}"))
            elif family != "coarsewsd20":
                found.append((name.removesuffix(suffix), path))
            elif name.endswith(_TEST):
                found.append((name.removesuffix(_TEST), path))
            elif not name.endswith(_TRAIN):
                skipped.append((name, f"neither WORD{_TRAIN} nor WORD{_TEST}"))
    return found, skipped


def read_sense_task(name: str, path: Path) -> SenseTask:
    """Read a task of `find_sense_tasks` that has senses, so none of Word-in-Context.

    Raises
    ------
    EvaluationError
        If a line cannot be read, or a word has no training file.
    """
    if path.parent.name == "senseval":
        return read_senseval(path, name)
    wanted = _bare_name(path).removesuffix(_TEST) + _TRAIN
    train = next((p for p in sorted(path.parent.iterdir()) if _bare_name(p) == wanted), None)
    if train is None:
        raise EvaluationError(
            f"{path.name} has no {wanted} beside it, which examples are drawn from; add it"
        )
    return read_coarse_wsd(train, path, name)


def run_sense_task(
    name: str,
    path: Path,
    encoders: Mapping[str, OccurrenceEncoder],
    settings: SenseSettings,
) -> dict[str, SenseResult | WicResult]:
    """Score encoders on a task of `find_sense_tasks`: the result of each by its name."""
    if path.parent.name == "wic":
        pairs = read_wic(path)
        return {key: evaluate_wic(encoder, pairs) for key, encoder in encoders.items()}
    task = read_sense_task(name, path)
    return {key: evaluate_senses(encoder, task, settings) for key, encoder in encoders.items()}


def _bare_name(path: Path) -> str:
    """`bank.train.tsv` of bank.train.tsv.gz."""
    return path.stem if path.suffix in COMPRESSED else path.name
