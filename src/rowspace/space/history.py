"""How words came to their places: their vectors before training, and at steps of it.

One file, `history.safetensors`, in the folder of a model, or `NAME.history.safetensors` beside a
model that is a file: the tensor "snapshots", and what each step was in its metadata. Half of the
digits are kept, of some hundred to two thousand words, so that it is small.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rowspace.errors import FormatError
from rowspace.space import folder
from rowspace.space.safetensors_files import map_tensor, read_header, write_tensors
from rowspace.space.vectors import Vectors

FORMAT = 1
FILE = "history.safetensors"

_TENSOR = "snapshots"


@dataclass(frozen=True)
class Step:
    """Where training was when a snapshot was taken."""

    share: float
    """Of the training as it was planned, from 0 to 1; below 1 at the end if it stopped early."""
    epoch: float
    """Epochs done, with a part of one."""
    n_read: int
    """Units (`History.unit`) read, about."""
    loss: float | None
    """Mean loss since the step before; None before training."""
    learning_rate: float


@dataclass(frozen=True)
class History:
    """What some words' vectors were before training, and at steps of it up to its end."""

    words: list[str]
    """The most frequent first."""
    steps: list[Step]
    """The first is before training, the last the trained model."""
    matrices: NDArray[np.float16]
    """(n_steps, n_words, dim)"""
    unit: str = "words"
    """What `Step.n_read` counts: "words", or "pairs" that were counted for GloVe."""

    def is_of(self, vectors: Vectors) -> bool:
        """Whether these vectors are what the training ended with, and not of another one."""
        if self.matrices.shape[2] != vectors.dim or not all(w in vectors for w in self.words):
            return False
        last = self.matrices[-1].astype(np.float32)
        return np.allclose(vectors[self.words], last, rtol=2e-3, atol=1e-6)


def save_history(history: History | None, model: Path | str) -> None:
    """Write the history of a model that is saved at `model`, a file or a folder.

    None removes that of a model which was there before.
    """
    file = history_file(Path(model))
    if history is None:
        file.unlink(missing_ok=True)
        return
    about = {
        "format": FORMAT,
        "unit": history.unit,
        "words": history.words,
        "steps": [asdict(step) for step in history.steps],
    }
    write_tensors(file, {_TENSOR: history.matrices}, {"history": json.dumps(about)})


def load_history(model: Path | str) -> History | None:
    """Read the history of a model.

    Parameters
    ----------
    model : path
        What training wrote: a folder or a file. Or a space, of which the default model's is read.

    Returns
    -------
    History or None
        None where none was kept, as with models of other programs.

    Raises
    ------
    FormatError
        If there is one, but it is damaged or of a newer Rowspace.

    Examples
    --------
    >>> load_history("vectors-of-another-program.bin") is None
    True
    """
    path = Path(model)
    if path.is_dir() and not (path / FILE).exists():
        try:
            path = folder.find(path)
        except FormatError:  # a sentence encoder's
            return None
    file = history_file(path)
    return read_history(file) if file.exists() else None


def history_of(model: Path | str, vectors: Vectors) -> History | None:
    """As `load_history`; None too where it is of other vectors, which took their place."""
    history = load_history(model)
    return history if history is not None and history.is_of(vectors) else None


def history_file(model: Path) -> Path:
    """Where the history of a model is: in its folder, or beside its file."""
    return model / FILE if model.is_dir() else model.with_name(f"{model.name}.{FILE}")


def read_history(file: Path) -> History:
    """Read one file; see `load_history`."""
    tensors, metadata = read_header(file)
    try:
        about = json.loads(metadata["history"])
        version = int(about["format"])
        words = [str(word) for word in about["words"]]
        steps = [_step(record) for record in about["steps"]]
        unit, tensor = str(about["unit"]), tensors[_TENSOR]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise _damaged(file, str(error)) from error
    if version > FORMAT:
        raise FormatError(
            f"{file}: written in format {version}, and this Rowspace reads up to {FORMAT}; "
            "update Rowspace"
        )
    if tensor.dtype != "F16" or len(tensor.shape) != 3 or 0 in tensor.shape:
        raise _damaged(file, f"snapshots of {tensor.dtype} {tensor.shape}")
    matrices = np.array(map_tensor(file, tensor))
    if matrices.shape[:2] != (len(steps), len(words)):
        raise _damaged(file, f"{matrices.shape} for {len(steps)} steps of {len(words)} words")
    return History(words, steps, matrices, unit)


def _step(record: dict[str, Any]) -> Step:
    loss = record["loss"]
    return Step(
        float(record["share"]),
        float(record["epoch"]),
        int(record["n_read"]),
        None if loss is None else float(loss),
        float(record["learning_rate"]),
    )


def _damaged(file: Path, how: str) -> FormatError:
    return FormatError(f"{file} is damaged ({how}); remove it, or train the model again")
