"""Losses of embeddings, against slow loops, sentence-transformers, and numbers by hand."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
import torch
from sentence_transformers.sentence_transformer import losses as peer
from sentence_transformers.sentence_transformer.losses import gist_embed
from torch import Tensor

from rowspace.errors import ConfigError
from rowspace.sentence.losses import (
    LOSSES,
    cosent,
    embedding_cosine,
    embedding_mse,
    info_nce,
    margin_mse,
    matryoshka,
    triplet,
)
from tests.naive_losses import naive_cosent, naive_info_nce

B, N, D = 6, 3, 8
NO_MODEL = cast(Any, torch.nn.Identity())


@pytest.fixture
def batch() -> tuple[Tensor, Tensor, Tensor]:
    """Anchors, positives near them, negatives: (B, D), (B, D), (B, N, D), none of length 1."""
    generator = torch.Generator().manual_seed(7)
    anchors = torch.randn(B, D, generator=generator, dtype=torch.float64)
    noise = torch.randn(B, D, generator=generator, dtype=torch.float64)
    negatives = torch.randn(B, N, D, generator=generator, dtype=torch.float64)
    return anchors, anchors + 0.7 * noise, negatives


Batch = tuple[Tensor, Tensor, Tensor]


def columns(batch: Batch) -> list[Tensor]:
    """As sentence-transformers takes them: anchors, positives, and a tensor for each negative."""
    anchors, positives, negatives = batch
    return [anchors, positives, *negatives.unbind(1)]


@pytest.mark.parametrize("scale", [1.0, 20.0])
def test_info_nce_is_the_ranking_loss_of_sentence_transformers(batch: Batch, scale: float) -> None:
    theirs = peer.MultipleNegativesRankingLoss(NO_MODEL, scale=scale)
    none = torch.empty(0)
    wanted = theirs.compute_loss_from_embeddings(columns(batch), none)
    torch.testing.assert_close(info_nce(*batch, scale=scale), wanted)
    wanted = theirs.compute_loss_from_embeddings(columns(batch)[:2], none)
    torch.testing.assert_close(info_nce(*batch[:2], scale=scale), wanted)


def test_symmetric_info_nce_is_that_of_sentence_transformers(batch: Batch) -> None:
    theirs = peer.MultipleNegativesRankingLoss(
        NO_MODEL, directions=("query_to_doc", "doc_to_query"), partition_mode="per_direction"
    )
    wanted = theirs.compute_loss_from_embeddings(columns(batch), torch.empty(0))
    torch.testing.assert_close(info_nce(*batch, symmetric=True), wanted)


def test_info_nce_leaves_out_what_may_be_right_as_well(batch: Batch) -> None:
    anchors, positives, negatives = batch
    anchor_texts = ["a", "b", "a", "c", "d", "e"]
    positive_texts = ["p", "q", "r", "p", "s", "t"]
    negative_texts = [["q", "x", ""], ["x", "y", "z"], ["p", "", ""], *[["u", "v", "w"]] * 3]
    number: dict[str, int] = {}
    keys = [
        torch.tensor([[number.setdefault(t, len(number)) for t in row] for row in texts])
        for texts in ([anchor_texts], [positive_texts], negative_texts)
    ]
    for margin in (0.05, -0.2, -9.0):
        ours = info_nce(
            *batch,
            anchor_keys=keys[0][0],
            positive_keys=keys[1][0],
            negative_keys=keys[2],
            has_negative=torch.tensor([[bool(text) for text in row] for row in negative_texts]),
            false_negative_margin=margin,
        )
        wanted = naive_info_nce(
            anchors.numpy(), positives.numpy(), negatives.numpy(),
            anchor_texts, positive_texts, negative_texts, 20.0, margin,
        )  # fmt: skip
        assert ours.item() == pytest.approx(wanted, rel=1e-9)
    assert info_nce(*batch).item() != pytest.approx(wanted, rel=1e-3)


@pytest.mark.parametrize("margin", [0.0, 0.05, 0.4])
def test_the_margin_is_that_of_gist_with_the_model_as_its_guide(
    batch: Batch, margin: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs = SimpleNamespace(
        model=None, guide=None, must_retokenize=False, margin_strategy="relative", margin=margin,
        temperature=0.05, contrast_anchors=False, contrast_positives=False,
        gather_across_devices=False, cross_entropy_loss=torch.nn.CrossEntropyLoss(),
        sim_matrix=lambda a, b: torch.cosine_similarity(a[:, None], b[None], dim=-1),
    )  # fmt: skip
    monkeypatch.setattr(gist_embed, "embed_columns", lambda _, features: columns(batch)[:3])
    wanted = peer.GISTEmbedLoss.forward(cast(Any, theirs), [], torch.empty(0))
    anchors, positives, negatives = batch
    ours = info_nce(anchors, positives, negatives[:, :1], false_negative_margin=margin)
    torch.testing.assert_close(ours, wanted)


def test_a_negative_that_is_filled_up_gets_no_gradient(batch: Batch) -> None:
    negatives = batch[2].clone().requires_grad_()
    there = torch.ones(B, N, dtype=torch.bool)
    there[0, 1:] = there[3, 2] = False
    margins = torch.zeros(B, N, dtype=torch.float64)
    margins[~there] = torch.nan
    for loss in (
        info_nce(*batch[:2], negatives, has_negative=there),
        triplet(*batch[:2], negatives, has_negative=there, margin=9.0),
        margin_mse(*batch[:2], negatives, has_negative=there, margins=margins),
    ):
        (gradient,) = torch.autograd.grad(loss, negatives)
        assert (gradient.abs().sum(dim=-1) > 0).equal(there)


@pytest.mark.parametrize("distance", ["cosine", "euclidean"])
def test_triplet_loss_is_that_of_sentence_transformers(batch: Batch, distance: str) -> None:
    metric = getattr(peer.TripletDistanceMetric, distance.upper())
    theirs = peer.TripletLoss(NO_MODEL, distance_metric=metric, triplet_margin=0.5)
    each = [
        theirs.compute_loss_from_embeddings([*batch[:2], negative], torch.empty(0))
        for negative in batch[2].unbind(1)
    ]
    ours = triplet(*batch, margin=0.5, distance=distance)
    torch.testing.assert_close(ours, torch.stack(each).mean(), rtol=1e-5, atol=1e-6)


def test_cosent_is_the_sum_over_pairs_out_of_order(batch: Batch) -> None:
    scores = [3.0, 1.0, 1.0, 5.0, 0.0, 3.0]
    ours = cosent(*batch[:2], scores=torch.tensor(scores))
    wanted = naive_cosent(batch[0].numpy(), batch[1].numpy(), scores, 20.0)
    assert ours.item() == pytest.approx(wanted, rel=1e-5)
    theirs = peer.CoSENTLoss(NO_MODEL)
    peers = theirs.compute_loss_from_embeddings(list(batch[:2]), torch.tensor(scores))
    assert ours.item() == pytest.approx(peers.item(), rel=1e-5)


def test_cosent_of_equal_scores_wants_nothing(batch: Batch) -> None:
    assert cosent(*batch[:2], scores=torch.ones(B)).item() == 0.0


def test_margin_mse_is_that_of_sentence_transformers(batch: Batch) -> None:
    margins = torch.linspace(-1, 1, B * N, dtype=torch.float64).reshape(B, N)
    theirs = peer.MarginMSELoss(NO_MODEL)
    wanted = theirs.compute_loss_from_embeddings(columns(batch), margins)
    torch.testing.assert_close(margin_mse(*batch, margins=margins), wanted)
    units = [each / each.norm(dim=-1, keepdim=True) for each in batch]
    torch.testing.assert_close(
        margin_mse(*batch, margins=margins, similarity="cosine"),
        margin_mse(units[0], units[1], units[2], margins=margins),
    )


def test_distillation_losses_by_hand() -> None:
    students = torch.tensor([[1.0, 0.0], [0.0, 2.0]])
    teachers = torch.tensor([[1.0, 1.0], [0.0, 1.0]])
    assert embedding_mse(students, teachers).item() == pytest.approx((0 + 1 + 0 + 1) / 4)
    wanted = ((1 - 1 / math.sqrt(2)) + 0) / 2
    assert embedding_cosine(students, teachers).item() == pytest.approx(wanted)


class Embedded(torch.nn.Module):
    """A model of sentence-transformers whose features are embeddings already."""

    def forward(self, features: dict[str, Tensor]) -> dict[str, Tensor]:
        return {"sentence_embedding": features["x"]}

    def get_embedding_dimension(self) -> int:
        return D


@pytest.mark.parametrize("name", ["info_nce", "margin_mse", "cosent", "triplet"])
def test_matryoshka_is_that_of_sentence_transformers(batch: Batch, name: str) -> None:
    dims, weights = [8, 4, 2], [1.0, 0.5, 0.25]
    model = cast(Any, Embedded())
    given, labels = batch, torch.empty(0)
    settings: dict[str, Any] = {}
    inner: torch.nn.Module
    if name == "margin_mse":
        labels = torch.linspace(-1, 1, B * N, dtype=torch.float64).reshape(B, N)
        settings, inner = {"margins": labels}, peer.MarginMSELoss(model)
    elif name == "cosent":
        labels = torch.arange(B)
        settings, inner = {"scores": labels}, peer.CoSENTLoss(model)
    elif name == "triplet":
        settings, inner = {"distance": "euclidean"}, peer.TripletLoss(model)
        given = (batch[0], batch[1], batch[2][:, :1])
    else:
        inner = peer.MultipleNegativesRankingLoss(model)
    n = 2 if name == "cosent" else 3
    features = [{"x": each} for each in (columns(given) if n == 3 else given[:2])]
    theirs = peer.MatryoshkaLoss(model, inner, dims, weights)(features, labels)
    ours = matryoshka(LOSSES[name], dims, weights)(*given[:n], **settings)
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", sorted(LOSSES))
def test_every_loss_has_the_gradient_of_finite_differences(batch: Batch, name: str) -> None:
    all_settings: dict[str, dict[str, Any]] = {
        "cosent": {"scores": torch.tensor([1.0, 1.0, 2.0, 4.0, 3.0, 0.0])},
        "margin_mse": {"margins": torch.ones(B, N, dtype=torch.float64)},
        "info_nce": {"symmetric": True},
    }
    settings = all_settings.get(name, {})
    n = 2 if name in ("cosent", "embedding_mse", "embedding_cosine") else 3
    inputs = [each.clone().requires_grad_() for each in batch[:n]]
    assert torch.autograd.gradcheck(lambda *e: LOSSES[name](*e, **settings), inputs)


def test_scores_of_half_precision_do_not_overflow() -> None:
    a = torch.tensor([[1.0, 0.0]] * 2, dtype=torch.float16)
    b = torch.tensor([[1.0, 0.0], [-1.0, 0.0]], dtype=torch.float16)
    loss = cosent(a, b, scores=torch.tensor([0.0, 1.0]), scale=20.0)
    assert loss.item() == pytest.approx(math.log1p(math.exp(40)), rel=1e-3)


def test_info_nce_of_half_precision_is_that_of_the_same_numbers(batch: Batch) -> None:
    halves = [each.bfloat16() for each in batch]
    wanted = info_nce(*(each.double() for each in halves)).item()
    assert info_nce(*halves).item() == pytest.approx(wanted, rel=1e-5)


def test_shapes_that_do_not_fit_are_told(batch: Batch) -> None:
    anchors, positives, _ = batch
    with pytest.raises(ConfigError, match=r"positives has the shape \(5, 8\); give .* \(6, 8\)"):
        info_nce(anchors, positives[1:])
    with pytest.raises(ConfigError, match=r"negatives has the shape \(6, 8\); .* \(6, any, 8\)"):
        triplet(anchors, positives, positives)
    with pytest.raises(
        ConfigError, match=r"scores has the shape \(6, 1\); give one of shape \(6\)"
    ):
        cosent(anchors, positives, scores=torch.ones(B, 1))
    with pytest.raises(ConfigError, match=r"margins has the shape \(6, 2\)"):
        margin_mse(*batch, margins=torch.ones(B, 2))
    with pytest.raises(ConfigError, match=r"teachers has the shape \(6, 4\)"):
        embedding_mse(anchors, positives[:, :4])
    with pytest.raises(ConfigError, match="scale is 0, so scores say nothing"):
        info_nce(anchors, positives, scale=0)
    with pytest.raises(ConfigError, match="negative_keys need positive_keys"):
        info_nce(*batch, negative_keys=torch.zeros(B, N))


def test_matryoshka_refuses_lengths_that_cannot_be(batch: Batch) -> None:
    with pytest.raises(ConfigError, match=r"dims has 16, but the vectors have 8 numbers"):
        matryoshka(info_nce, [8, 16])(*batch)
    for dims in ([], [4, 4], [0]):
        with pytest.raises(ConfigError, match="give different lengths of 1 or more"):
            matryoshka(info_nce, dims)
    with pytest.raises(ConfigError, match="there are 1 weights for 2 dims"):
        matryoshka(info_nce, [8, 4], [1.0])


def test_names_of_unknown_distances_are_told(batch: Batch) -> None:
    with pytest.raises(ConfigError, match="distance 'manhattan' is unknown; give one of cosine"):
        triplet(*batch, distance="manhattan")
    with pytest.raises(ConfigError, match="similarity 'l2' is unknown; give one of dot, cosine"):
        margin_mse(*batch, margins=torch.ones(B, N), similarity="l2")


def test_a_chance_batch_costs_the_logarithm_of_its_size() -> None:
    same = torch.ones(5, 4)
    assert info_nce(same, same).item() == pytest.approx(np.log(5))
