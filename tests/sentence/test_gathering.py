"""Steps of two real processes, against those of one and of a graph of texts embedded alone."""

from __future__ import annotations

import itertools
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")

import torch
from safetensors.torch import load_file

from rowspace.sentence import FinetuneConfig
from rowspace.sentence.finetune_run import Run
from rowspace.sentence.gathering import Gathering, share_out
from rowspace.sentence.pairs import examples_of
from rowspace.transformer.distributed import World
from tests.sentence import ranks
from tests.sentence.naive_batches import oracle
from tests.sentence.small_training import examples, static, write_bert
from tests.torchrun import run_together


def test_each_piece_goes_to_one_and_nobody_has_much_more_than_another() -> None:
    random = np.random.default_rng(0)
    for n, n_pieces in itertools.product((1, 2, 3, 7), (0, 1, 5, 20)):
        costs = random.integers(1, 50, n_pieces).tolist()
        shares = share_out(costs, n)
        assert sorted(piece for share in shares for piece in share) == list(range(n_pieces))
        assert all(share == sorted(share) for share in shares)
        most = max(sum(costs[piece] for piece in share) for share in shares)
        ideal = max(sum(costs) / n, max(costs, default=0))
        assert most <= ideal * 4 / 3 + max(costs, default=0) / 3


def test_alone_embeddings_come_in_the_order_of_the_texts_with_their_gradients() -> None:
    chunks = [np.array([3, 0]), np.array([1]), np.array([4, 2])]
    own = torch.tensor([[3.0], [0.0], [1.0], [4.0], [2.0]], requires_grad=True)
    found = Gathering(chunks, [1, 1, 1]).all(own)
    assert found.flatten().tolist() == [0, 1, 2, 3, 4]
    (found.flatten() * torch.arange(5)).sum().backward()  # type: ignore[no-untyped-call]
    assert own.grad is not None
    assert own.grad.flatten().tolist() == [3, 0, 1, 4, 2]


@pytest.fixture(scope="module")
def together(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What two processes wrote: all in one start of them."""
    folder = tmp_path_factory.mktemp("together")
    for where in (folder, folder / "runs"):
        where.mkdir(exist_ok=True)
        write_bert(where / "bert", dropout=0.0)
    for name in ranks.RUNS:
        ranks.run_and_stop(folder / "runs", name, f"{name}-then-together")
    ran = run_together(2, folder, module="tests.sentence.ranks")
    assert (ran.code, ran.out, ran.err) == (0, "", "")
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("case", ranks.CASES, ids="-".join)
def test_the_sum_of_gradients_is_that_of_one_graph(together: Path, case: Any) -> None:
    model, kind, name, settings = case
    one, other = (load_file(together / f"{'-'.join(case)}.{rank}") for rank in (0, 1))
    if model == "dropping":  # each chunk drops the same, whoever embeds it
        expected = ranks.gradients(together / "bert", case)
    else:
        whole = ranks.MODELS[model](together / "bert")
        config = FinetuneConfig(**ranks.SETTINGS[settings])
        loss = oracle(whole, config, name, examples(kind, words=ranks.WORDS))
        loss.backward()  # type: ignore[no-untyped-call]
        expected = {"loss": loss.detach()} | ranks.gradients_of(whole)
    assert one.keys() == other.keys() == expected.keys()
    for each, wanted in expected.items():
        assert torch.equal(one[each], other[each])  # or the processes would drift apart
        torch.testing.assert_close(one[each], wanted, rtol=1e-4, atol=2e-6, msg=each)
    assert sum(float(wanted.norm()) for wanted in expected.values()) > 1.0


@pytest.mark.slow
def test_negatives_of_the_other_process_count(together: Path) -> None:
    found = [float(load_file(together / f"four.{rank}")["loss"]) for rank in (0, 1)]
    assert found == pytest.approx([math.log(1 + 3 / math.e)] * 2, rel=1e-6)  # of three others
    assert found[0] != pytest.approx(math.log(1 + 1 / math.e), rel=0.1)  # of one's own other pair


@pytest.mark.slow
@pytest.mark.parametrize("name", ranks.RUNS)
def test_curves_are_those_of_one_process_also_after_a_stop(together: Path, name: str) -> None:
    folder = together / "runs"
    whole = ranks.run(folder, name, f"{name}-alone")
    ranks.run(folder, name, f"{name}-first-together", resume=True)
    assert whole.n_steps > 2 * ranks.STOPPED_AFTER
    for way in ("together", "first-together", "then-together"):
        report = json.loads((folder / f"{name}-{way}" / "training.json").read_text())["report"]
        assert [step for step, _ in report["losses"]] == [step for step, _ in whole.losses]
        assert report["losses"] == [[step, pytest.approx(loss, rel=1e-9)] for step, loss in
                                    whole.losses]  # fmt: skip
        assert report["n_truncated"] == whole.n_truncated
    assert not list(folder.glob(f"{name}-*.training"))


@pytest.mark.slow
@pytest.mark.parametrize("what", ["seed", "model"])
def test_processes_that_were_given_something_else_do_not_train(together: Path, what: str) -> None:
    for rank in (0, 1):
        said = (together / f"{what}.{rank}").read_text()
        assert said.startswith("not all processes were given the same settings, examples and model")
    assert not (together / "runs" / f"unlike-{what}").exists()


def test_chunks_too_large_to_share_are_told(tmp_path: Path) -> None:
    sources = [examples_of(examples("pairs", words=ranks.WORDS))]
    settings = FinetuneConfig(**ranks.USUAL | {"chunk_size": 8})
    run = Run(settings, static(), sources, None, None, tmp_path, World(0, 2))
    with pytest.warns(UserWarning, match="too little for 2 processes.* chunk_size of 4 or less"):
        run._warn_of_few_chunks()
