from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.optim import Optimizer

from rowspace.errors import ConfigError, VocabularyError
from rowspace.position import Learned, Position, Sinusoidal, make_position
from rowspace.transformer.embeddings import (
    TokenEmbedding,
    TransformerEmbeddings,
    check_token_ids,
    count_parameters,
    draw_like,
    to_vectors,
)
from rowspace.transformer.optimizers import RowWiseAdagrad
from tests.naive_rows import parts_of_tied_gradient

MakeOptimizer = Callable[[Iterable[Tensor]], Optimizer]


def _table(vocab_size: int = 8, dim: int = 4, **settings: object) -> TokenEmbedding:
    torch.manual_seed(1)
    return TokenEmbedding(vocab_size, dim, std=1.0, **settings).double()  # type: ignore[arg-type]


def _tied_loss(table: TokenEmbedding, token_ids: Tensor, targets: Tensor) -> Any:
    return F.cross_entropy(table.logits(table(token_ids)).flatten(0, -2), targets.flatten())


IDS = torch.tensor([[0, 1, 2, 1], [5, 5, 6, 0]])
TARGETS = torch.tensor([[1, 2, 1, 3], [5, 6, 0, 7]])


# The table


def test_rows_start_as_the_normal_distribution_says() -> None:
    torch.manual_seed(0)
    weight = TokenEmbedding(20_000, 16).weight
    n = weight.numel()
    assert abs(weight.mean().item()) < 5 * 0.02 / math.sqrt(n)
    assert abs(weight.std().item() - 0.02) < 5 * 0.02 / math.sqrt(2 * n)


def test_a_lookup_picks_rows() -> None:
    table = _table()
    assert torch.equal(table(IDS), table.weight[IDS])
    assert table(torch.tensor(3)).shape == (4,)
    assert table(torch.empty(2, 0, dtype=torch.int64)).shape == (2, 0, 4)


def test_the_first_loss_is_that_of_not_knowing_anything() -> None:
    losses = {}
    for std in (0.02, 1.0):
        torch.manual_seed(0)
        table, norm = TokenEmbedding(5000, 256, std=std), nn.LayerNorm(256)
        ids, targets = torch.randint(5000, (2, 512))
        losses[std] = F.cross_entropy(table.logits(norm(table(ids))), targets).item()
    # With unit vectors times √D, logits are N(0, D std²): .05 more than ln V at std .02.
    assert losses[0.02] == pytest.approx(math.log(5000), abs=0.1)
    assert losses[1.0] > 100


def test_the_gradient_of_a_tied_weight_is_the_sum_of_its_two_parts() -> None:
    table = _table()
    _tied_loss(table, IDS, TARGETS).backward()
    by_reading, by_predicting = parts_of_tied_gradient(table.weight, IDS, TARGETS)
    torch.testing.assert_close(table.weight.grad, by_reading + by_predicting)
    assert not by_reading[[3, 4, 7]].any()  # never read
    assert by_predicting.any(dim=1).all()  # softmax reaches each


def test_padding_starts_as_zeros_and_reading_it_teaches_it_nothing() -> None:
    table = _table(padding_id=5)
    assert not table.weight[5].any()
    table(IDS).sum().backward()
    assert table.weight.grad is not None
    assert not table.weight.grad[5].any()
    assert table.weight.grad[1].tolist() == [2.0] * 4


# Rows that fill the table up


def test_gpt2s_table_is_filled_up_to_a_multiple_of_64() -> None:
    table = TokenEmbedding(50_257, 2, multiple=64)
    assert (table.vocab_size, table.n_rows) == (50_257, 50_304)
    assert not table.weight[50_257:].any()


def test_rows_that_no_token_has_are_never_predicted_and_learn_nothing() -> None:
    table = _table(6, multiple=8)
    with torch.no_grad():
        table.weight[6:] = 100.0  # would win every comparison
    hidden = torch.ones(2, 3, 4, dtype=torch.float64)
    logits = table.logits(hidden)
    assert logits.shape == (2, 3, 6)
    torch.testing.assert_close(logits, hidden @ table.weight[:6].T)
    F.cross_entropy(logits.flatten(0, 1), torch.tensor([0, 1, 2, 3, 4, 5])).backward()  # type: ignore[no-untyped-call]
    assert table.weight.grad is not None
    assert not table.weight.grad[6:].any()
    assert table.weight.grad[:6].any(dim=1).all()


@pytest.mark.parametrize(("wrong", "named"), [(6, "token id 6"), (-1, "token id -1")])
def test_an_id_without_a_token_is_refused(wrong: int, named: str) -> None:
    table = _table(6, multiple=8)
    with pytest.raises(VocabularyError, match=rf"{named} is outside a vocabulary of 6 \(0 to 5\)"):
        table(torch.tensor([[1, wrong, 2]]))
    with pytest.raises(VocabularyError, match="use the tokenizer this table was made for"):
        check_token_ids(torch.tensor([wrong], dtype=torch.int32), 6)


def test_the_look_at_ids_can_be_left_out() -> None:
    table = _table(6, multiple=8, check_ids=False)
    assert torch.equal(table(torch.tensor([7])), table.weight[[7]])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"vocab_size": 0}, "vocab_size is 0; give 1 or more"),
        ({"dim": -2}, "dim is -2; give 1 or more"),
        ({"multiple": 0}, "multiple is 0; give 1 or more"),
        ({"padding_id": 8}, "padding_id is 8; give a token id, 0 to 7, or None"),
        ({"padding_id": -1}, "padding_id is -1; give a token id, 0 to 7, or None"),
    ],
)
def test_sizes_that_cannot_be_are_refused(settings: dict[str, int], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        TokenEmbedding(**{"vocab_size": 8, "dim": 4, **settings})  # type: ignore[arg-type]


# Frozen rows

OPTIMIZERS: dict[str, MakeOptimizer] = {
    "adamw": lambda p: torch.optim.AdamW(p, lr=0.1, weight_decay=0.5),
    "adamw fused": lambda p: torch.optim.AdamW(p, lr=0.1, weight_decay=0.5, fused=True),
    "adam amsgrad": lambda p: torch.optim.Adam(p, lr=0.1, weight_decay=0.5, amsgrad=True),
    "sgd": lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, weight_decay=0.5),
    "rmsprop": lambda p: torch.optim.RMSprop(p, lr=0.1, momentum=0.9, weight_decay=0.5),
    "adagrad": lambda p: torch.optim.Adagrad(p, lr=0.1, weight_decay=0.5),
    "rowwise-adagrad": lambda p: RowWiseAdagrad(p, lr=0.1),
}


def _step(table: TokenEmbedding, optimizer: Optimizer, n_steps: int = 1) -> None:
    for _ in range(n_steps):
        optimizer.zero_grad()
        _tied_loss(table, IDS, TARGETS).backward()
        optimizer.step()


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_frozen_rows_do_not_move_however_much_momentum_they_have(name: str) -> None:
    table = _table()
    optimizer = OPTIMIZERS[name](table.parameters())
    _step(table, optimizer, 3)
    before = table.weight.detach().clone()
    table.freeze([1, 4])
    _step(table, optimizer, 3)
    moved = (table.weight != before).any(dim=1)
    assert moved.tolist() == [True, False, True, True, False, True, True, True]
    table.unfreeze([1])
    _step(table, optimizer)
    assert (table.weight[1] != before[1]).any()
    assert torch.equal(table.weight[4], before[4])
    table.unfreeze()
    _step(table, optimizer)
    assert (table.weight[4] != before[4]).any()


def test_zeroed_gradients_alone_would_not_freeze() -> None:
    table = _table()
    optimizer = OPTIMIZERS["adamw"](table.parameters())
    _step(table, optimizer)
    before = table.weight.detach().clone()
    optimizer.zero_grad()
    table.weight.grad = torch.zeros_like(table.weight)
    optimizer.step()
    assert (table.weight != before).any(dim=1).all()


@pytest.mark.filterwarnings("ignore:Sparse invariant checks")
@pytest.mark.parametrize("kind", [torch.optim.SparseAdam, torch.optim.Adagrad, RowWiseAdagrad])
def test_frozen_rows_of_a_sparse_gradient_do_not_move(kind: type[Optimizer]) -> None:
    table = _table(sparse=True)
    optimizer = kind(table.parameters(), lr=0.1)  # type: ignore[call-arg]
    before = table.weight.detach().clone()
    table.freeze(torch.tensor([1, 2]))
    for _ in range(2):
        optimizer.zero_grad()
        table(IDS).square().sum().backward()
        assert table.weight.grad is not None
        assert table.weight.grad.is_sparse
        assert table.weight.grad.coalesce().indices().tolist() == [[0, 5, 6]]
        optimizer.step()
    assert (table.weight != before).any(dim=1).nonzero().flatten().tolist() == [0, 5, 6]


def test_frozen_rows_take_no_part_in_clipping() -> None:
    table = _table()
    table.freeze(range(8))
    _tied_loss(table, IDS, TARGETS).backward()
    assert nn.utils.clip_grad_norm_(table.parameters(), 1.0) == 0


def test_frozen_rows_can_be_written_by_hand_and_stay_as_written() -> None:
    table = _table()
    table.freeze([2])
    optimizer = OPTIMIZERS["adamw"](table.parameters())
    _step(table, optimizer)
    with torch.no_grad():
        table.weight[2] = 7.0
    _step(table, optimizer)
    assert table.weight[2].tolist() == [7.0] * 4


@pytest.mark.parametrize("way", ["deepcopy", "state dict", "assigned", "file"])
def test_a_copy_has_the_same_rows_frozen(way: str, tmp_path: Path) -> None:
    original = _table()
    original.freeze([1, 4])
    before = original.weight.detach().clone()
    table = copy.deepcopy(original) if way == "deepcopy" else _table()
    if way != "deepcopy":
        model, state = (
            nn.ModuleDict({"table": table}),
            nn.ModuleDict({"table": original}).state_dict(),
        )
        if way == "file":
            save_file(state, tmp_path / "table.safetensors")
            state = load_file(tmp_path / "table.safetensors")
        model.load_state_dict(state, assign=way == "assigned")
    _step(table, OPTIMIZERS["adamw"](table.parameters()), 2)
    still = (table.weight == before).all(dim=1)
    assert still.nonzero().flatten().tolist() == [1, 4]


def test_a_state_dict_names_frozen_rows_only_where_there_are_some() -> None:
    table = _table()
    assert list(table.state_dict()) == ["weight"]
    table.freeze([3, 1, 3])
    assert table.state_dict()["frozen_ids"].tolist() == [1, 3]
    table.unfreeze()
    assert list(table.state_dict()) == ["weight"]


def test_freezing_what_is_not_there_is_refused() -> None:
    with pytest.raises(VocabularyError, match="token id 8 is outside"):
        _table().freeze([1, 8])


# More tokens


def test_new_rows_have_the_mean_and_covariance_of_the_old() -> None:
    generator = torch.Generator().manual_seed(3)
    mixing = torch.randn(4, 4, generator=generator, dtype=torch.float64)
    old = torch.rand(50, 4, generator=generator, dtype=torch.float64) @ mixing + 2
    n_new = 20_000
    new = draw_like(old, n_new, generator=generator).numpy()
    mean, covariance = old.numpy().mean(axis=0), np.cov(old.numpy().T, bias=True)
    variances = np.diag(covariance)
    # Five standard errors: of a mean √(σ²/n), of a covariance √((σᵢ²σⱼ² + σᵢⱼ²)/n).
    assert (np.abs(new.mean(axis=0) - mean) < 5 * np.sqrt(variances / n_new)).all()
    error = np.sqrt((np.outer(variances, variances) + covariance**2) / n_new)
    assert (np.abs(np.cov(new.T) - covariance) < 5 * error).all()


def test_new_rows_of_few_old_ones_stay_in_their_span() -> None:
    old = _table(3, 16).weight.detach()
    new = draw_like(old, 5)
    joined = torch.cat([old - old.mean(dim=0), new - old.mean(dim=0)])
    assert torch.linalg.matrix_rank(joined, rtol=1e-6) == 2


def test_a_small_spread_puts_new_rows_close_to_the_mean() -> None:
    old = _table(100, 4).weight.detach()
    new = draw_like(old, 100, spread=1e-6)
    assert (new - old.mean(dim=0)).abs().max() < 5e-3 * old.std()


def test_extending_keeps_the_old_rows_and_the_parameter() -> None:
    table = _table(8)
    head, old = nn.Linear(4, 8, bias=False).double(), table.weight.detach().clone()
    head.weight = table.weight
    assert table.extend(3) == range(8, 11)
    assert (table.vocab_size, table.n_rows) == (11, 11)
    assert torch.equal(table.weight[:8], old)
    assert table.weight[8:].any(dim=1).all()
    assert head(table(torch.tensor([10]))).shape == (1, 11)
    assert list(table.state_dict()) == ["weight"]


def test_extending_uses_rows_that_fill_up_first() -> None:
    table = _table(6, multiple=4)
    weight = table.weight.data_ptr()
    assert table.extend(2) == range(6, 8)
    assert (table.n_rows, table.weight.data_ptr()) == (8, weight)
    table.extend(1)
    assert (table.vocab_size, table.n_rows) == (9, 12)
    assert not table.weight[9:].any()


def test_a_padding_row_takes_no_part_in_the_mean() -> None:
    table = _table(3, padding_id=1)
    with torch.no_grad():
        table.weight[[0, 2]] = 5.0
    table.extend(1)
    assert table.weight[3].tolist() == [5.0] * 4


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_old_rows_learn_after_extending_as_they_would_without(name: str) -> None:
    weights = []
    for is_extended in (False, True):
        table = _table()
        optimizer = OPTIMIZERS[name](table.parameters())
        for step in range(3):
            if step == 1 and is_extended:
                table.extend(2, optimizer=optimizer)
            optimizer.zero_grad()
            table(IDS).square().sum().backward()
            optimizer.step()
        weights.append(table.weight)
    assert weights[1].shape == (10, 4)
    torch.testing.assert_close(weights[1][:8], weights[0], rtol=0, atol=1e-12)


def test_frozen_old_rows_stay_while_new_ones_learn() -> None:
    table = _table()
    optimizer = OPTIMIZERS["adamw"](table.parameters())
    _step(table, optimizer)
    table.freeze(range(8))
    table.extend(2, optimizer=optimizer)
    before = table.weight.detach().clone()
    _step(table, optimizer)
    assert (table.weight != before).any(dim=1).nonzero().flatten().tolist() == [8, 9]


def test_extending_by_nothing_is_refused() -> None:
    with pytest.raises(ConfigError, match="n_new is 0; give 1 or more"):
        _table().extend(0)


# What enters the first layer


def test_parameters_are_as_many_as_the_formula_says() -> None:
    plain = TransformerEmbeddings(50_257, 128, 256)
    normed = TransformerEmbeddings(50_257, 128, 256, layer_norm=True)
    assert count_parameters(plain).total == 50_257 * 128 + 256 * 128 == 6_465_664
    assert count_parameters(normed).total == 6_465_664 + 256
    assert count_parameters(normed).embedding == 6_465_664
    assert count_parameters(normed).without_embeddings == 256


def test_tied_weights_count_once() -> None:
    table, head = TokenEmbedding(10, 4), nn.Linear(4, 10)
    untied = count_parameters(nn.ModuleList([table, head]))
    assert (untied.total, untied.embedding) == (40 + 50, 40)
    head.weight = table.weight
    tied = count_parameters(nn.ModuleList([table, head]))
    assert (tied.total, tied.embedding, tied.without_embeddings) == (50, 40, 10)


def test_token_position_and_type_are_summed_then_normed() -> None:
    torch.manual_seed(2)
    embeddings = TransformerEmbeddings(
        8, 4, 6, layer_norm=True, n_token_types=2, scale=2.0, std=1.0, eps=1e-3
    ).eval()
    types = torch.tensor([[0, 0, 1, 1], [0, 1, 1, 1]])
    positions = torch.tensor([[2, 3, 4, 5], [0, 1, 2, 3]])
    out = embeddings(IDS, positions, types)
    assert embeddings.token_type is not None
    assert isinstance(embeddings.position, Learned)
    (table,) = embeddings.position.parameters()
    for b in range(2):
        for t in range(4):
            x = 2 * embeddings.token.weight[IDS[b, t]] + table[positions[b, t]]
            x = x + embeddings.token_type.weight[types[b, t]]
            x = (x - x.mean()) / torch.sqrt(x.var(correction=0) + 1e-3)
            torch.testing.assert_close(out[b, t], x)


def test_positions_count_from_zero_and_types_are_zero_if_not_given() -> None:
    torch.manual_seed(2)
    embeddings = TransformerEmbeddings(8, 4, 6, n_token_types=2).eval()
    given = embeddings(IDS, torch.arange(4), torch.zeros_like(IDS))
    assert torch.equal(embeddings(IDS), given)


def test_a_position_that_works_in_attention_adds_nothing() -> None:
    rope = make_position("rope", dim=8, head_dim=4, n_heads=2, max_length=6, causal=True)
    embeddings = TransformerEmbeddings(8, 8, 6, position=rope).eval()
    assert torch.equal(embeddings(IDS), embeddings.token(IDS))
    assert isinstance(embeddings.position, Position)


def test_a_sinusoidal_position_has_no_parameters() -> None:
    embeddings = TransformerEmbeddings(8, 4, 6, position="sinusoidal").eval()
    assert isinstance(embeddings.position, Sinusoidal)
    assert count_parameters(embeddings).total == 32
    assert not torch.equal(embeddings(IDS), embeddings.token(IDS))


def test_dropout_acts_in_training_only() -> None:
    torch.manual_seed(0)
    embeddings = TransformerEmbeddings(8, 1000, 6, dropout=0.25)
    dropped = (embeddings(IDS) == 0).double().mean().item()
    assert abs(dropped - 0.25) < 5 * math.sqrt(0.25 * 0.75 / 8000)
    assert (embeddings.eval()(IDS) != 0).all()


def test_a_text_longer_than_the_table_of_positions_is_refused() -> None:
    with pytest.raises(ConfigError):
        TransformerEmbeddings(8, 4, 3)(IDS)


def test_what_embeddings_cannot_do_is_refused() -> None:
    with pytest.raises(ConfigError, match="position is 'rope'; give learned, sinusoidal or none"):
        TransformerEmbeddings(8, 4, 6, position="rope")
    with pytest.raises(ConfigError, match="max_seq_len is 0; give 1 or more"):
        TransformerEmbeddings(8, 4, 0)
    with pytest.raises(ConfigError, match="no table of them; set n_token_types"):
        TransformerEmbeddings(8, 4, 6)(IDS, None, torch.zeros_like(IDS))
    with pytest.raises(VocabularyError, match="token id 2 is outside a vocabulary of 2"):
        TransformerEmbeddings(8, 4, 6, n_token_types=2)(IDS, None, torch.full_like(IDS, 2))


# Vectors


def test_a_table_becomes_vectors_of_its_tokens() -> None:
    table = _table(3, 2, multiple=4)
    with torch.no_grad():
        table.weight[:3] = torch.tensor([[1.0, 0.0], [0.9, 0.1], [-1.0, 0.0]])
    vectors = to_vectors(table, ["cat", "dog", "car"])
    assert vectors.most_similar("cat", topn=1)[0][0] == "dog"
    assert vectors.matrix.shape == (3, 2)
    with torch.no_grad():
        table.weight.zero_()
    assert vectors["cat"].tolist() == [1.0, 0.0]


@pytest.mark.parametrize("keys", [["cat"], ["a", "b", "c", "d"], ["a", "a", "b"]])
def test_keys_that_do_not_fit_the_table_are_refused(keys: list[str]) -> None:
    with pytest.raises(ConfigError):
        to_vectors(_table(3, 2), keys)
