"""Which optimizer leaves unread rows alone, in closed form, and how parameters are shared out."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from rowspace.errors import ConfigError
from rowspace.transformer.embeddings import TokenEmbedding, TransformerEmbeddings
from rowspace.transformer.frozen import drop_rows
from rowspace.transformer.optimizers import OPTIMIZERS, RowWiseAdagrad, Together, make_optimizer
from tests.naive_rows import moments_of_one_gradient, rowwise_adagrad

LR, DECAY = 0.01, 0.3
NEVER, ONCE, ALWAYS = 0, 1, 2


def _table(**settings: Any) -> TokenEmbedding:
    torch.manual_seed(1)
    return TokenEmbedding(6, 4, std=1.0, **settings).double()


def _read(table: TokenEmbedding, optimizer: torch.optim.Optimizer, n_steps: int) -> None:
    """Row ALWAYS is read in each step, row ONCE in the first; the gradient is 1 each time."""
    for step in range(n_steps):
        optimizer.zero_grad()
        table(torch.tensor([ALWAYS, ONCE] if step == 0 else [ALWAYS])).sum().backward()
        optimizer.step()


# What moves rows that are not read


@pytest.mark.parametrize("fused", [False, True])
def test_adamw_shrinks_rows_that_are_never_read(fused: bool) -> None:
    table = _table()
    start = table.weight.detach().clone()
    optimizer = make_optimizer(table, lr=LR, weight_decay=DECAY, fused=fused)
    _read(table, optimizer, 50)
    shrunk = start[NEVER] * (1 - LR * DECAY) ** 50
    torch.testing.assert_close(table.weight[NEVER], shrunk, rtol=1e-12, atol=0)
    assert (table.weight[NEVER].norm() / start[NEVER].norm()).item() < 0.87


def test_adamw_moves_rows_on_that_were_read_once() -> None:
    table = _table()
    start = table.weight.detach().clone()
    _read(table, make_optimizer(table, lr=LR, betas=(0.9, 0.99), eps=1e-30), 30)
    moved = start[ONCE] - table.weight[ONCE]
    expected = moments_of_one_gradient(30, LR, (0.9, 0.99))
    torch.testing.assert_close(moved, torch.full_like(moved, expected), rtol=1e-9, atol=0)
    assert expected > 3 * LR  # one read, more than three full steps
    assert torch.equal(table.weight[NEVER], start[NEVER])


def test_momentum_moves_rows_on_that_were_read_once() -> None:
    table = _table()
    start = table.weight.detach().clone()
    _read(table, make_optimizer(table, "sgd", lr=LR, momentum=0.9), 20)
    moved = start[ONCE] - table.weight[ONCE]
    expected = LR * (1 - 0.9**20) / (1 - 0.9)
    torch.testing.assert_close(moved, torch.full_like(moved, expected), rtol=1e-9, atol=0)


def test_a_tied_head_moves_every_row() -> None:
    table = _table(sparse=True)
    start = table.weight.detach().clone()
    ids, targets = torch.tensor([0, 1]), torch.tensor([1, 2])
    hidden = start[ids]
    optimizer = make_optimizer(nn.ModuleDict({"table": table}), "sgd", lr=LR)
    F.cross_entropy(table.logits(table(ids).detach()), targets).backward()  # type: ignore[no-untyped-call]
    optimizer.step()
    # ∂/∂e_v of the mean of -ln p(target): Σ (p_v - [v is the target]) h / n
    wrong = torch.softmax(hidden @ start.T, dim=1) - F.one_hot(targets, 6)
    expected = start - LR * wrong.T @ hidden / 2
    torch.testing.assert_close(table.weight.detach(), expected)
    assert (table.weight != start).any(dim=1).all()


@pytest.mark.filterwarnings("ignore:Sparse invariant checks")
@pytest.mark.parametrize(
    ("name", "sparse"),
    [
        ("sgd", False),
        ("sgd", True),
        ("adagrad", False),
        ("adagrad", True),
        ("rowwise-adagrad", False),
        ("rowwise-adagrad", True),
        ("sparse-adam", True),
    ],
)
def test_others_leave_unread_rows_exactly_where_they_are(name: str, sparse: bool) -> None:
    table, once = _table(sparse=sparse), _table(sparse=sparse)
    start = table.weight.detach().clone()
    _read(table, make_optimizer(table, name, lr=LR), 20)
    _read(once, make_optimizer(once, name, lr=LR), 1)
    rest = [NEVER, 3, 4, 5]
    assert torch.equal(table.weight[rest], start[rest])
    assert torch.equal(table.weight[ONCE], once.weight[ONCE])
    assert (table.weight[ONCE] != start[ONCE]).all()
    assert (table.weight[ALWAYS] != once.weight[ALWAYS]).all()


# Row-wise Adagrad


def _gradients(n: int, shape: tuple[int, int]) -> list[Tensor]:
    torch.manual_seed(5)
    return [
        torch.randn(shape, dtype=torch.float64) * (torch.rand(shape[0], 1) < 0.5) for _ in range(n)
    ]


@pytest.mark.parametrize("sparse", [False, True])
def test_rowwise_adagrad_is_its_formula(sparse: bool) -> None:
    weight = nn.Parameter(torch.randn(5, 3, dtype=torch.float64))
    gradients = _gradients(6, (5, 3))
    expected = rowwise_adagrad(
        weight.detach().numpy(), [gradient.numpy() for gradient in gradients], 0.3, 1e-8
    )
    optimizer = RowWiseAdagrad([weight], lr=0.3, eps=1e-8)
    for gradient in gradients:
        weight.grad = gradient.to_sparse(1) if sparse else gradient
        optimizer.step()
    np.testing.assert_allclose(weight.detach().numpy(), expected, rtol=1e-12)
    assert optimizer.state[weight]["sum"].shape == (5,)


def test_rowwise_adagrad_adds_up_what_a_sparse_gradient_says_twice() -> None:
    weight = nn.Parameter(torch.zeros(3, 2))
    twice = torch.sparse_coo_tensor(
        torch.tensor([[1, 1]]), torch.ones(2, 2), (3, 2), check_invariants=True
    )
    weight.grad = twice
    RowWiseAdagrad([weight], lr=0.5).step()
    torch.testing.assert_close(weight.detach(), torch.tensor([[0.0, 0], [-0.5, -0.5], [0, 0]]))


@pytest.mark.parametrize("shape", [(5, 1), (5,)])
def test_with_one_number_a_row_it_is_torchs_adagrad(shape: tuple[int, ...]) -> None:
    ours = nn.Parameter(torch.randn(shape, dtype=torch.float64))
    theirs = nn.Parameter(ours.detach().clone())
    optimizers = RowWiseAdagrad([ours], lr=0.3), torch.optim.Adagrad([theirs], lr=0.3)
    for gradient in _gradients(6, (5, 1)):
        for weight, optimizer in zip((ours, theirs), optimizers, strict=True):
            weight.grad = gradient.reshape(shape)
            optimizer.step()
    torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=0)


def test_rowwise_adagrad_calls_a_closure_once_and_gives_its_loss() -> None:
    weight = nn.Parameter(torch.ones(2, 2))

    def closure() -> Tensor:
        loss = weight.sum()
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    assert RowWiseAdagrad([weight], lr=0.5).step(closure).item() == 4.0
    assert weight.tolist() == [[0.5, 0.5], [0.5, 0.5]]


@pytest.mark.parametrize("settings", [{"lr": 0.0}, {"lr": -1.0}, {"eps": 0.0}])
def test_rates_that_cannot_be_are_refused(settings: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match="; give more than 0"):
        RowWiseAdagrad([nn.Parameter(torch.ones(2, 2))], **settings)


# One optimizer for a model


class _Model(nn.Module):
    def __init__(self, *, sparse: bool = False, tied: bool = False) -> None:
        super().__init__()
        self.table = _table(sparse=sparse)
        self.norm = nn.LayerNorm(4).double()
        self.head = nn.Linear(4, 6).double()
        if tied:
            self.head.weight = self.table.weight

    def loss(self) -> Any:
        logits = self.head(self.norm(self.table(torch.tensor([0, 1, 2, 1]))))
        return F.cross_entropy(logits, torch.tensor([1, 2, 1, 3]))


def _run(model: _Model, optimizer: torch.optim.Optimizer, n_steps: int) -> list[float]:
    losses = []
    for _ in range(n_steps):
        optimizer.zero_grad()
        loss = model.loss()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def _decays(optimizer: torch.optim.Optimizer, weight: Tensor) -> float:
    (group,) = [g for g in optimizer.param_groups if any(p is weight for p in g["params"])]
    return float(group.get("weight_decay", 0.0))


@pytest.mark.parametrize("name", ["adamw", "sgd", "adagrad"])
@pytest.mark.parametrize("decay_embeddings", [False, True])
def test_only_matrices_decay(name: str, decay_embeddings: bool) -> None:
    model = _Model()
    optimizer = make_optimizer(
        model, name, lr=LR, weight_decay=DECAY, decay_embeddings=decay_embeddings
    )
    assert _decays(optimizer, model.head.weight) == DECAY
    assert _decays(optimizer, model.table.weight) == (DECAY if decay_embeddings else 0)
    for weight in (model.head.bias, model.norm.weight, model.norm.bias):
        assert _decays(optimizer, weight) == 0


@pytest.mark.filterwarnings("ignore:Sparse invariant checks")
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimizer_learns(name: str) -> None:
    model = _Model(sparse=name == "sparse-adam")
    losses = _run(model, make_optimizer(model, name, lr=0.1), 40)
    assert losses[-1] < 0.7 * losses[0]


@pytest.mark.parametrize("name", ["sparse-adam", "rowwise-adagrad"])
def test_tables_have_their_optimizer_and_the_rest_has_adamw(name: str) -> None:
    model = _Model(sparse=True)
    optimizer = make_optimizer(model, name, lr=LR, table_lr=0.5, weight_decay=DECAY)
    assert isinstance(optimizer, Together)
    assert _decays(optimizer, model.table.weight) == 0
    assert _decays(optimizer, model.head.weight) == DECAY
    assert _decays(optimizer, model.head.bias) == 0
    assert [group["lr"] for group in optimizer.param_groups] == [0.5, LR, LR]
    reference = _Model(sparse=True)  # the same model, stepped by two optimizers of torch's and ours
    table = (
        torch.optim.SparseAdam([reference.table.weight], lr=0.5)
        if name == "sparse-adam"
        else RowWiseAdagrad([reference.table.weight], lr=0.5)
    )
    reference.load_state_dict(model.state_dict())
    rest = [*reference.head.parameters(), *reference.norm.parameters()]
    others = torch.optim.AdamW(
        [
            {"params": [p for p in rest if p.dim() > 1], "weight_decay": DECAY},
            {"params": [p for p in rest if p.dim() == 1], "weight_decay": 0.0},
        ],
        lr=LR,
    )
    _run(model, optimizer, 3)
    for _ in range(3):
        table.zero_grad()
        others.zero_grad()
        reference.loss().backward()
        table.step()
        others.step()
    for ours, theirs in zip(model.parameters(), reference.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("name", ["adamw", "sparse-adam", "rowwise-adagrad"])
def test_training_goes_on_from_a_state_dict_as_if_it_had_not_stopped(name: str) -> None:
    model, again = _Model(sparse=name != "adamw"), _Model(sparse=name != "adamw")
    optimizer = make_optimizer(model, name, lr=0.1)
    _run(model, optimizer, 4)
    resumed = make_optimizer(again, name, lr=0.2)
    again.load_state_dict(model.state_dict())
    resumed.load_state_dict(copy.deepcopy(optimizer.state_dict()))  # torch would share it
    assert _run(again, resumed, 4) == _run(model, optimizer, 4)
    for ours, theirs in zip(model.parameters(), again.parameters(), strict=True):
        assert torch.equal(ours, theirs)


def test_a_schedule_reaches_each_part() -> None:
    model = _Model()
    optimizer = make_optimizer(model, "rowwise-adagrad", lr=0.1)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 0.0 if step else 1.0)
    _run(model, optimizer, 1)
    schedule.step()
    before = [weight.detach().clone() for weight in model.parameters()]
    _run(model, optimizer, 1)
    for old, new in zip(before, model.parameters(), strict=True):
        assert torch.equal(old, new)


def test_a_table_alone_needs_no_second_optimizer() -> None:
    assert isinstance(make_optimizer(_table(), "rowwise-adagrad", lr=0.1), RowWiseAdagrad)
    assert isinstance(make_optimizer([nn.Parameter(torch.ones(2, 2))], lr=0.1), torch.optim.AdamW)


@pytest.mark.parametrize("name", ["sparse-adam", "rowwise-adagrad"])
def test_learned_positions_are_a_dense_table_beside_a_sparse_one(name: str) -> None:
    torch.manual_seed(0)
    embeddings = TransformerEmbeddings(6, 4, 8, 0.0, sparse=True)
    optimizer = make_optimizer(embeddings, name, lr=0.1, weight_decay=DECAY)
    before = [weight.detach().clone() for weight in embeddings.parameters()]
    embeddings(torch.tensor([[1, 2]])).sum().backward()
    optimizer.step()
    for old, new in zip(before, embeddings.parameters(), strict=True):
        assert (old != new).any()
    assert _decays(optimizer, embeddings.token.weight) == 0


def test_a_tables_optimizer_without_tables_is_refused() -> None:
    with pytest.raises(ConfigError, match="rowwise-adagrad is for tables, and there is none"):
        make_optimizer(nn.Linear(2, 2), "rowwise-adagrad", lr=0.1)
    with pytest.raises(ConfigError, match="sparse-adam takes sparse gradients only, and no table"):
        make_optimizer([nn.Parameter(torch.ones(2, 2))], "sparse-adam", lr=0.1)


def test_parameters_without_gradients_are_left_out() -> None:
    model = _Model()
    model.table.weight.requires_grad_(False)
    optimizer = make_optimizer(model, lr=0.1)
    assert sum(len(group["params"]) for group in optimizer.param_groups) == 4
    for weight in model.parameters():
        weight.requires_grad_(False)
    with pytest.raises(ConfigError, match="no parameter wants a gradient"):
        make_optimizer(model, lr=0.1)


@pytest.mark.parametrize(
    ("model", "name", "settings", "message"),
    [
        ({}, "rmsprop", {}, "optimizer is 'rmsprop'; give one of adamw, sgd, adagrad, sparse-adam"),
        (
            {"sparse": True},
            "adamw",
            {},
            "adamw cannot take a table's sparse gradients, which need sparse-adam, sgd, adagrad or "
            "rowwise-adagrad; give one of these, or sparse=False",
        ),
        (
            {"sparse": True},
            "sgd",
            {"weight_decay": 0.1},
            "weight_decay is 0.1, which moves every row, on a table with sparse gradients; give "
            "decay_embeddings=False",
        ),
        (
            {"sparse": True},
            "sgd",
            {"momentum": 0.9},
            "momentum is 0.9, which moves rows that are not read, on a table with sparse gradients",
        ),
        ({}, "sparse-adam", {}, "sparse-adam takes sparse gradients only"),
        ({"sparse": True, "tied": True}, "sparse-adam", {}, "must not be tied to the head; give"),
        ({}, "adamw", {"lr": 0.0}, "lr is 0; give more than 0"),
        ({}, "adamw", {"table_lr": -1.0}, "table_lr is -1; give more than 0"),
    ],
)
def test_what_cannot_work_is_refused(
    model: dict[str, bool], name: str, settings: dict[str, float], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        make_optimizer(_Model(**model), name, **{"lr": 0.1, **settings})  # type: ignore[arg-type]


def test_a_tied_sparse_table_has_dense_gradients_and_adamw_takes_them() -> None:
    model = _Model(sparse=True, tied=True)
    _run(model, make_optimizer(model, "adamw", lr=0.1, weight_decay=0.1), 2)
    assert model.table.weight.grad is not None
    assert not model.table.weight.grad.is_sparse


def test_rows_are_dropped_from_a_sparse_gradient_without_a_warning() -> None:
    ids, values = torch.tensor([[0, 1, 2]]), torch.ones(3, 2)
    gradient = torch.sparse_coo_tensor(
        ids, values, (3, 2), check_invariants=True, is_coalesced=True
    )
    torch.set_warn_always(True)  # else it warns once a process
    try:
        left = drop_rows(gradient, torch.tensor([1]))
    finally:
        torch.set_warn_always(False)
    assert left.to_dense().tolist() == [[1.0, 1.0], [0.0, 0.0], [1.0, 1.0]]
