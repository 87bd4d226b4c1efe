"""Processes that train together: one curve, whoever works it out, and one end."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor
from torch._C._distributed_c10d import HashStore

from rowspace.errors import ClusterError, ConfigError, TrainingError
from rowspace.machine import n_cores, n_own_cores
from rowspace.transformer.distributed import ALONE, World, _in_touch, _speaks, joined
from rowspace.transformer.model import Encoder
from rowspace.transformer.replicas import Replicas, count_predicted
from tests.program import RunMain
from tests.torchrun import run_together, start_together
from tests.transformer.ranks import RUNS, STOP, TINY, stop_after, trainer
from tests.transformer.test_pretrain import write_text

# --- A world -------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 2, 3, 7])
def test_parts_are_runs_as_equal_as_may_be_that_leave_nothing_out(size: int) -> None:
    for n in (7, 8, 20):
        parts = [list(range(n))[World(rank, size).part(n)] for rank in range(size)]
        assert [one for part in parts for one in part] == list(range(n))
        lengths = [len(part) for part in parts]
        assert max(lengths) - min(lengths) <= 1


def test_one_process_is_a_world_where_nothing_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    with joined() as world:
        assert world is ALONE
    tensor = torch.ones(2)
    assert ALONE.sum(tensor) is tensor
    assert ALONE.rows(tensor) is tensor
    assert ALONE.agreed(True)
    assert not ALONE.agreed(False)
    assert ALONE.from_first("a") == "a"
    ALONE.wait()


def test_a_batch_has_a_text_for_each_process() -> None:
    World(0, 4).check_batch(4)
    message = "batch_size is 3, and 4 processes share it; give 4 or more, or start fewer processes"
    with pytest.raises(ConfigError, match=message):
        World(0, 4).check_batch(3)


def test_of_those_that_met_an_error_the_first_process_tells_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("rowspace.transformer.distributed._TURN_SECONDS", 0.0)
    store = HashStore()
    assert _speaks(store, World(0, 2), TrainingError("all met it"))
    assert not _speaks(store, World(1, 2), TrainingError("all met it"))
    store = HashStore()
    assert _speaks(store, World(1, 2), ConfigError("one met it"))
    assert not _speaks(store, World(0, 2), ClusterError("the other ended"))
    assert not _speaks(store, World(1, 2), KeyboardInterrupt())
    assert _speaks(HashStore(), World(1, 2), ClusterError("the first was killed"))
    assert _speaks(HashStore(), World(0, 2), KeyboardInterrupt())
    assert _speaks(HashStore(), World(1, 2), KeyboardInterrupt())  # it alone was interrupted


def test_a_wrong_option_is_told_by_the_first_process_before_the_others(
    monkeypatch: pytest.MonkeyPatch, run_main: RunMain
) -> None:
    slept = _as_torchrun(monkeypatch)
    for rank, waits in (("0", 0), ("1", 1)):
        monkeypatch.setenv("RANK", rank)
        ran = run_main("train", "lm", "text.txt", "--out", "out", "--no-such-option")
        assert ran.code == 2
        assert len(slept) == waits


def _as_torchrun(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Let this process seem to be one of two; gives the seconds that the program waits."""
    slept: list[float] = []
    monkeypatch.setattr("rowspace.cli.time.sleep", slept.append)
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "none")
    monkeypatch.setenv("WORLD_SIZE", "2")
    return slept


@pytest.mark.parametrize("command", ["llm2vec mntp", "train word2vec", "encode"])
def test_what_processes_cannot_share_is_not_begun(
    monkeypatch: pytest.MonkeyPatch, run_main: RunMain, command: str
) -> None:
    slept = _as_torchrun(monkeypatch)
    for rank, waits in (("0", 0), ("1", 1)):
        monkeypatch.setenv("RANK", rank)
        told = run_main(*command.split(), "text.txt", "--out", "out").error()
        name = command.replace(" mntp", "")
        assert told.startswith(f"{name} cannot be shared by the 2 processes that torchrun started")
        assert len(slept) == waits
    monkeypatch.setenv("WORLD_SIZE", "1")
    assert "cannot be shared" not in run_main(*command.split(), "--no-such-option").err


def test_help_and_a_wrong_command_are_told_as_ever(
    monkeypatch: pytest.MonkeyPatch, run_main: RunMain
) -> None:
    _as_torchrun(monkeypatch)
    monkeypatch.setenv("RANK", "0")
    assert run_main("--help").code == 0
    assert "No such command 'trian'" in run_main("trian", "lm").err


def test_an_interrupt_of_all_is_told_by_the_first_process(
    monkeypatch: pytest.MonkeyPatch, run_main: RunMain
) -> None:
    said = [""]

    def interrupt(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt(said[0])

    _as_torchrun(monkeypatch)
    monkeypatch.setattr("rowspace.cli.train_lm._run", interrupt)
    told = []
    for rank, said[0] in (("0", ""), ("1", ""), ("1", "process 1 was interrupted")):
        monkeypatch.setenv("RANK", rank)
        ran = run_main("train", "lm", "text.txt", "--out", "out")
        assert ran.code == 130
        told.append(ran.err)
    assert told == ["rowspace: interrupted\n", "", "rowspace: process 1 was interrupted\n"]


def test_what_another_process_does_not_see_or_was_not_given_is_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    world = World(1, 2)
    world.check_seen(tmp_path)
    message = r"process 1 sees no .*/gone, which the first one wrote; give an --out in a folder"
    with pytest.raises(ClusterError, match=message):
        world.check_seen(tmp_path / "gone")
    monkeypatch.setattr(World, "agreed", lambda self, value: value)
    monkeypatch.setattr(World, "from_first", lambda self, value: (["same"], [3.0, 7.0]))
    weights = [torch.tensor([1.0, 2.0]), torch.tensor([3.0, 4.0])]
    world.check_alike("text", ["same"], weights)
    world.check_alike("text", ["same"], [weights[0], weights[1] * (1 + 1e-7)])
    others = (weights[:1], [weights[0], weights[1] * (1 + 1e-5)])
    for value, given in ((["other"], weights), *((["same"], other) for other in others)):
        with pytest.raises(ClusterError, match="not all processes were given the same text; give"):
            world.check_alike("text", value, given)


def test_a_lost_process_is_told_without_the_place_in_torch() -> None:
    message = r"a process of the run ended or is out of reach \(Closed by peer \[::1\]\); start"
    with pytest.raises(ClusterError, match=message), _in_touch():
        raise RuntimeError("[/pytorch/gloo/pair.cc:537] Closed by peer [::1]. This is typically")


def test_processes_that_share_a_machine_share_its_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LOCAL_WORLD_SIZE", raising=False)
    assert n_own_cores() == n_cores()
    monkeypatch.setenv("LOCAL_WORLD_SIZE", str(n_cores()))
    assert n_own_cores() == 1
    monkeypatch.setenv("LOCAL_WORLD_SIZE", str(5 * n_cores()))
    assert n_own_cores() == 1


@pytest.mark.parametrize("size", [2, 3])
def test_what_parts_of_a_batch_add_is_the_gradient_of_the_whole(size: int) -> None:
    torch.manual_seed(0)
    model = Encoder(vocab_size=11, dim=8, n_layers=1, n_heads=2, max_length=8)
    ids, targets = torch.randint(11, (7, 8)), torch.randint(11, (7, 8))
    targets[:3, 2:] = -100  # the parts predict unequally many
    targets[6] = -100
    loss = model.loss(ids, targets)
    loss.backward()  # type: ignore[no-untyped-call]
    whole = torch.cat([weight.grad.flatten() for weight in model.parameters()])  # type: ignore[union-attr]
    total, losses = torch.zeros_like(whole), []
    with Replicas(model, 1) as replicas:
        for rank in range(size):
            part = World(rank, size).part(7)
            losses.append(replicas.gradients(ids[part], targets[part], count_predicted(targets)))
            total += replicas.tensors()[0]
    torch.testing.assert_close(total, whole)
    torch.testing.assert_close(torch.stack(losses).sum(), loss.detach())


# --- Real processes ------------------------------------------------------------------------------


def assert_same_but_for_rounding(one: Path, other: Path) -> None:
    """Two trained models: the curves, what rows received, the weights."""
    reports = [json.loads((folder / "training.json").read_text()) for folder in (one, other)]
    for name in ("loss", "gradient_norm"):
        curves = [[entry[name] for entry in report["history"]] for report in reports]
        assert len(curves[0]) > 5
        assert curves[0] == pytest.approx(curves[1], rel=1e-5)
    assert [e["loss"] for e in reports[0]["held_out"]] == pytest.approx(
        [e["loss"] for e in reports[1]["held_out"]], rel=1e-5
    )
    for row, same in zip(reports[0]["rows"], reports[1]["rows"], strict=True):
        assert _numbers(row) == pytest.approx(_numbers(same), rel=1e-3)
    weights: list[dict[str, Tensor]] = [
        load_file(folder / "model.safetensors") for folder in (one, other)
    ]
    for name, weight in weights[0].items():
        torch.testing.assert_close(weight, weights[1][name], rtol=0, atol=2e-6)


def _numbers(row: dict[str, Any]) -> dict[str, float]:
    return {name: -1.0 if value is None else value for name, value in row.items()}


@pytest.mark.slow
def test_two_processes_train_as_one_and_go_on_with_each_others_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = write_text(tmp_path)
    with monkeypatch.context() as patched:
        patched.setattr("rowspace.transformer.training.Run._take_step", _take_step())
        stop_after(STOP, signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            trainer("masked").fit(text, tmp_path / "one-then-two")
    ran = run_together(2, tmp_path, module="tests.transformer.ranks")
    assert ran.code == 1
    assert ran.err.count("ConfigError: met by one alone; do something") == 1, ran.err
    assert "ClusterError" not in ran.err  # of the other one
    for name in RUNS:
        trainer(name).fit(text, tmp_path / f"alone-{name}")
        assert_same_but_for_rounding(tmp_path / f"alone-{name}", tmp_path / name)
    assert _step_of(tmp_path / "two-then-one.training") == STOP
    trainer("masked").fit(text, tmp_path / "two-then-one", resume=True)
    for name in ("one-then-two", "two-then-one"):
        assert_same_but_for_rounding(tmp_path / "alone-masked", tmp_path / name)


def _take_step() -> Any:
    from rowspace.transformer.training import Run

    return Run._take_step


def _step_of(work: Path) -> int:
    return int(json.loads((work / "checkpoint" / "state.json").read_text())["step"])


def _wait_for(path: Path) -> None:
    deadline = time.monotonic() + 60
    while not path.exists():
        assert time.monotonic() < deadline, path
        time.sleep(0.05)


@pytest.mark.slow
def test_a_killed_process_and_a_signal_end_all_and_resume_goes_on(tmp_path: Path) -> None:
    text, work = write_text(tmp_path), tmp_path / "out.training"
    settings = {**TINY, "steps": 100_000, "checkpoint_every": 20, "evaluate_every": 0}
    options = [f"--{name.replace('_', '-')}={value}" for name, value in settings.items()]
    command: tuple[str | Path, ...] = ("train", "lm", text, "--out", tmp_path / "out", *options)

    process = start_together(2, *command)
    _wait_for(work / "checkpoint" / "state.json")
    os.kill(_child_of(process.pid, 1), signal.SIGKILL)
    _, err = process.communicate(timeout=60)
    told = [line for line in err.splitlines() if line.startswith("rowspace: ")]
    assert process.returncode == 1
    assert len(told) <= 1  # torchrun may be faster
    assert all("a process of the run ended or is out of reach" in line for line in told)
    step = _step_of(work)
    assert step >= 20

    process = start_together(3, *command, "--resume")
    started = (work / "checkpoint").stat().st_ino
    deadline = time.monotonic() + 60
    while (work / "checkpoint").stat().st_ino == started:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    told = [line for line in err.splitlines() if line.startswith("rowspace: ")]
    assert told == ["rowspace: interrupted; add --resume to go on where it stopped"], err
    assert not out
    assert _step_of(work) > step


def _child_of(pid: int, rank: int) -> int:
    """The process that torchrun started with this rank."""
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        if f"\0RANK={rank}\0" in Path(f"/proc/{child}/environ").read_text():
            return int(child)
    raise AssertionError(f"no rank {rank}")
