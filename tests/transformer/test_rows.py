from __future__ import annotations

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from rowspace.errors import ConfigError
from rowspace.transformer.embeddings import TokenEmbedding
from rowspace.transformer.model import LanguageModel
from rowspace.transformer.rows import Received, RowRecord, by_frequency
from tests.naive_rows import parts_of_tied_gradient


def _table(vocab_size: int = 12, **settings: object) -> TokenEmbedding:
    torch.manual_seed(1)
    return TokenEmbedding(vocab_size, 4, std=1.0, **settings).double()  # type: ignore[arg-type]


def _batches(n: int, vocab_size: int = 12) -> list[tuple[Tensor, Tensor]]:
    """Token ids and targets; low ids are frequent, high ones rare."""
    shares = 1.0 / torch.arange(1, vocab_size + 1) ** 2
    generator = torch.Generator().manual_seed(4)
    drawn = torch.multinomial(shares, n * 12, replacement=True, generator=generator)
    return [(ids, targets) for ids, targets in drawn.reshape(n, 2, 2, 3)]


def _train(table: TokenEmbedding, batches: list[tuple[Tensor, Tensor]], lr: float = 0.1) -> None:
    optimizer = torch.optim.SGD(table.parameters(), lr=lr)
    for ids, targets in batches:
        optimizer.zero_grad()
        F.cross_entropy(table.logits(table(ids)).flatten(0, -2), targets.flatten()).backward()  # type: ignore[no-untyped-call]
        optimizer.step()


def _assert_received(received: Received, gradients: list[Tensor]) -> None:
    """`received` is what the gradients of the passes say, counted row by row."""
    for row in range(len(gradients[0])):
        lengths = [math.sqrt(sum(float(x) ** 2 for x in gradient[row])) for gradient in gradients]
        passes = [n for n, length in enumerate(lengths) if length > 0]
        assert received.n_updates[row] == len(passes)
        assert received.last_pass[row] == (passes[-1] if passes else -1)
        assert received.norms[row].item() == pytest.approx(sum(lengths), rel=1e-5)


def test_reading_and_predicting_are_told_apart_though_the_weight_is_tied() -> None:
    table, twin, batches = _table(), _table(), _batches(6)
    read, predicted = [], []
    optimizer = torch.optim.SGD(twin.parameters(), lr=0.1)
    for ids, targets in batches:
        parts = parts_of_tied_gradient(twin.weight, ids, targets)
        twin.weight.grad = parts[0] + parts[1]
        optimizer.step()
        read.append(parts[0])
        predicted.append(parts[1])
    with RowRecord(table) as record:
        _train(table, batches)
    assert record.n_passes == 6
    _assert_received(record.read, read)
    _assert_received(record.output, predicted)
    _assert_received(record.total, [a + b for a, b in zip(read, predicted, strict=True)])
    assert (record.read.n_updates == 0).any()
    assert (record.output.n_updates == 6).all()
    torch.testing.assert_close(
        record.moved().double(), (twin.weight - _table().weight).norm(dim=1), rtol=1e-5, atol=1e-6
    )


@pytest.mark.parametrize("sparse", [False, True])
def test_a_table_that_is_only_read_gets_nothing_else(sparse: bool) -> None:
    table, gradients = _table(sparse=sparse, padding_id=3), []
    ids = torch.tensor([[1, 1, 3], [5, 3, 7]])
    factors = torch.randn(4, 2, 3, 4, dtype=torch.float64)
    with RowRecord(table) as record:
        for factor in factors:
            (table(ids) * factor).sum().backward()
            gradient = torch.zeros(12, 4, dtype=torch.float64)
            for b in range(2):
                for t in range(3):
                    if ids[b, t] != 3:
                        gradient[ids[b, t]] += factor[b, t]
            gradients.append(gradient)
    _assert_received(record.read, gradients)
    _assert_received(record.total, gradients)
    _assert_received(record.output, [torch.zeros(12, 4)] * 4)


def test_two_lookups_of_one_pass_are_one_update() -> None:
    table = _table()
    with RowRecord(table) as record:
        (table(torch.tensor([1, 2])).sum() + 2 * table(torch.tensor([2, 4])).sum()).backward()
    expected = torch.zeros(12, 4)
    expected[1], expected[2], expected[4] = 1.0, 3.0, 2.0
    _assert_received(record.read, [expected])


def test_sums_in_another_order_are_no_gradient_of_the_head() -> None:
    table = _table().float()
    ids = torch.randint(12, (3, 500), generator=torch.Generator().manual_seed(0))
    with RowRecord(table) as record:
        torch.stack([table(row) * torch.randn(500, 4) for row in ids]).sum().backward()  # type: ignore[no-untyped-call]
    assert record.read.n_updates.tolist() == [1] * 12
    assert record.output.n_updates.tolist() == [0] * 12


def test_frozen_rows_receive_nothing() -> None:
    table = _table()
    with RowRecord(table) as record:
        table.freeze([0, 1])
        _train(table, _batches(4))
    for received in (record.read, record.output, record.total):
        assert received.n_updates[:2].tolist() == [0, 0]
        assert not received.norms[:2].any()
    assert record.output.n_updates[2:].tolist() == [4] * 10
    assert record.moved()[:2].tolist() == [0, 0]


def test_rows_that_came_later_are_recorded_too() -> None:
    table = _table()
    with RowRecord(table) as record:
        _train(table, _batches(1))
        table.extend(2)
        table(torch.tensor([13])).sum().backward()
    assert len(record.moved()) == 14
    assert record.read.last_pass[12:].tolist() == [-1, 1]
    assert record.moved()[12:].tolist() == [0, 0]


def test_a_closed_record_and_passes_without_gradient_leave_no_trace() -> None:
    table = _table()
    with RowRecord(table) as record, torch.no_grad():
        table(torch.tensor([1]))
    table(torch.tensor([1])).sum().backward()
    assert record.n_passes == 0
    assert not record.read.n_updates.any()


def test_a_record_changes_nothing_about_training() -> None:
    recorded, plain = _table(), _table()
    with RowRecord(recorded):
        _train(recorded, _batches(5))
    _train(plain, _batches(5))
    assert torch.equal(recorded.weight, plain.weight)


@pytest.mark.parametrize("is_tied", [False, True])
def test_a_record_of_a_model_adds_up_to_the_gradient_of_its_table(is_tied: bool) -> None:
    torch.manual_seed(0)
    model = LanguageModel(
        vocab_size=13, dim=8, n_layers=1, n_heads=2, max_length=8, is_tied=is_tied, row_multiple=8
    )
    ids = torch.tensor([[1, 2, 1, 5, 7], [3, 3, 2, 1, 0]])
    with RowRecord(model.transformer.embeddings.token) as record:
        model.loss(ids[:, :-1], ids[:, 1:]).backward()  # type: ignore[no-untyped-call]
    gradient = model.transformer.embeddings.token.weight.grad
    assert gradient is not None
    torch.testing.assert_close(record.total.norms, gradient.norm(dim=1))
    is_read = [int(row in (1, 2, 3, 5)) for row in range(16)]
    assert record.read.n_updates.tolist() == is_read
    assert record.output.n_updates.tolist() == [int(is_tied)] * 13 + [0] * 3


def test_bands_average_what_their_rows_received() -> None:
    table, batches = _table(), _batches(40)
    counts = torch.bincount(torch.stack([ids for ids, _ in batches]).flatten(), minlength=12)
    with RowRecord(table) as record:
        _train(table, batches)
    bands = by_frequency(record, counts, edges=[0, 1, 10, 60])
    assert sum(band.n_rows for band in bands) == 12
    moved = (table.weight - _table().weight).norm(dim=1)
    for band in bands:
        highest = math.inf if band.highest is None else band.highest
        rows = [i for i in range(12) if band.lowest <= counts[i] <= highest]
        assert band.n_rows == len(rows)
        n_updates = sum(int((ids == i).any()) for ids, _ in batches for i in rows)
        norm = sum(record.read.norms[i].item() for i in rows)
        assert band.reads == pytest.approx(n_updates / len(rows))
        assert band.norm_read == pytest.approx(norm / len(rows))
        if n_updates:
            assert band.norm_per_read == pytest.approx(norm / n_updates)
        assert math.isnan(band.norm_per_read) == (n_updates == 0)
        assert band.outputs == 40
        assert band.moved == pytest.approx(np.mean([moved[i].item() for i in rows]), rel=1e-5)


def test_rare_tokens_learn_less_by_being_read() -> None:
    table, batches = _table(), _batches(60)
    counts = torch.bincount(torch.stack([ids for ids, _ in batches]).flatten(), minlength=12)
    with RowRecord(table) as record:
        _train(table, batches, lr=0.01)
    received = [band.norm_read for band in by_frequency(record, counts, edges=[0, 5, 20, 100])]
    assert len(received) == 4
    assert received == sorted(received)


def test_bands_that_cannot_be_are_refused() -> None:
    record = RowRecord(_table())
    with pytest.raises(ConfigError, match=r"counts have shape \(3,\) for 12 tokens"):
        by_frequency(record, [1, 2, 3])
    with pytest.raises(ConfigError, match=r"edges are \[5, 1\]; give at least one, each above"):
        by_frequency(record, range(12), edges=[5, 1])
    with pytest.raises(ConfigError, match=r"edges are \[\]"):
        by_frequency(record, range(12), edges=[])


def test_a_table_that_does_not_learn_is_told() -> None:
    with pytest.raises(ConfigError, match="has requires_grad=False, so no row gets a gradient"):
        RowRecord(TokenEmbedding(5, 2).requires_grad_(False))
