"""What each process does in a test of several: `torchrun -m tests.transformer.ranks FOLDER`.

FOLDER has text.txt, and in `one-then-two.training` a run that one process began.
"""

from __future__ import annotations

import signal
import sys
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import Any
from unittest import mock

import torch

from rowspace.errors import ClusterError, ConfigError
from rowspace.progress import track
from rowspace.transformer.distributed import World, joined
from rowspace.transformer.objectives import HiddenTokens, NextToken, Objective
from rowspace.transformer.pretrain import LanguageModelTrainer
from rowspace.transformer.pretrained import Pretrained
from rowspace.transformer.training import Run

TINY: dict[str, Any] = {
    "tokenizer": "characters", "dim": 16, "n_layers": 1, "n_heads": 2, "max_length": 16,
    "batch_size": 5, "steps": 12, "warmup": 3, "log_every": 2, "evaluate_every": 4,
    "checkpoint_every": 3, "held_out": 0.2, "precision": "float32", "n_threads": 1,
}  # fmt: skip
"""Five texts: one process has two of them, the other three."""
SPARSE: dict[str, Any] = {
    "is_tied": False, "sparse": True, "optimizer": "rowwise-adagrad", "weight_decay": 0.0
}  # fmt: skip
RUNS: dict[str, tuple[Objective, dict[str, Any]]] = {
    "causal": (NextToken(), {}),
    "masked": (HiddenTokens(), {}),  # the processes have unequally many tokens to tell
    "parts": (HiddenTokens(), {"batch_size": 6, "accumulation": 3, "epochs": 0.5, "steps": None}),
    "sparse": (NextToken(), SPARSE),
}
STOP = 5
"""Steps after which a run is stopped."""


def trainer(name: str, **more: Any) -> LanguageModelTrainer:
    objective, settings = RUNS[name]
    return LanguageModelTrainer(objective=objective, **{**TINY, **settings, **more})


def stop_after(n: int, sent: signal.Signals) -> None:
    """Let a signal meet this process at the end of the n-th step."""
    original = Run._take_step

    def take_step(self: Run, *arguments: Any) -> None:
        original(self, *arguments)
        if self.step == n:
            signal.raise_signal(sent)

    setattr(Run, "_take_step", take_step)  # noqa: B010


def check_meetings(world: World) -> None:
    """What processes do with each other's numbers, against what is known of both."""
    rank = world.rank
    assert world.sum(torch.tensor([1.0, rank])).tolist() == [2.0, 1.0]
    rows = world.rows(torch.full((1 + rank, 2), rank))
    assert rows.tolist() == [[0, 0], [1, 1], [1, 1]]
    indices, values = torch.tensor([[2, 3 + rank]]), torch.tensor([[1.0], [5.0]])
    sparse = torch.sparse_coo_tensor(indices, values, (6, 1), check_invariants=True).coalesce()
    assert world.sum(sparse).to_dense().flatten().tolist() == [0, 0, 2, 5, 5, 0]
    assert world.agreed(rank == 1)
    assert not world.agreed(False)
    assert world.from_first({"rank": rank}) == {"rank": 0}
    world.wait()


def check_alike(world: World, done: Pretrained) -> None:
    """See that every process has the same, to the last bit."""
    flat = torch.cat([weight.detach().flatten() for weight in done.model.parameters()])
    one, other = world.rows(flat[None])
    assert torch.equal(one, other)
    assert done.report == world.from_first(done.report) or done.report.rows  # NaN is not itself
    assert done.report.n_processes == 2


def check_that_unlike_processes_do_not_train(world: World, text: Path) -> None:
    """Where another rate was given, and where another state is seen of a run that stopped."""

    def refused(trainer: LanguageModelTrainer, **how: Any) -> bool:
        try:
            trainer.fit(text, **how)
        except ClusterError as error:
            return str(error).startswith("not all processes were given the same settings, text")
        return False

    assert refused(trainer("causal", world=world, learning_rate=0.01 * (1 + world.rank)))
    is_other = mock.patch.object(Run, "restore") if world.rank == 1 else nullcontext()
    with is_other:
        out = text.with_name("one-then-two")
        assert refused(trainer("masked", world=world), out=out, resume=True)


def main(folder: Path) -> None:
    with joined() as world:
        check_meetings(world)
        with track("unseen") as tracker:
            assert not tracker.is_shown
        text = folder / "text.txt"
        for name in RUNS:
            check_alike(world, trainer(name, world=world).fit(text, folder / name))
        assert trainer("causal", world=world, steps=1).fit(text).report.n_steps == 1
        check_that_unlike_processes_do_not_train(world, text)
        trainer("masked", world=world).fit(text, folder / "one-then-two", resume=True)
        if world.rank == 1:  # the other hears of it
            stop_after(STOP, signal.SIGTERM)
        with suppress(KeyboardInterrupt):
            trainer("masked", world=world).fit(text, folder / "two-then-one")
        world.wait()
        if world.rank == 1:
            raise ConfigError("met by one alone; do something")
        world.wait()  # it never comes


if __name__ == "__main__":
    main(Path(sys.argv[1]))
