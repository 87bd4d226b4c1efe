from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")

import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss

from rowspace.errors import ConfigError
from rowspace.sentence import FinetuneConfig
from rowspace.sentence.batch_loss import BatchLoss, loss_name, set_dropout
from rowspace.sentence.example import Example, Kind
from rowspace.sentence.losses import embedding_cosine, embedding_mse
from tests.naive_losses import naive_cosine
from tests.sentence.naive_batches import SCALE, Teacher, oracle
from tests.sentence.small_training import (
    PROMPTS,
    Model,
    examples,
    load_bert,
    static,
    texts,
    write_bert,
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_bert(tmp_path_factory.mktemp("bert"))


@pytest.fixture(params=[True, False], ids=["prompt", "prompt-not-pooled"])
def model(folder: Path, request: pytest.FixtureRequest) -> Model:
    return load_bert(folder, include_prompt=request.param).double()


def _gradients(model: Model) -> dict[str, torch.Tensor]:
    found = {
        name: weight.grad.clone()
        for name, weight in model.named_parameters()
        if weight.grad is not None
    }
    model.zero_grad()
    return found


KINDS = [
    ("pairs", "info_nce"),
    ("triplets", "info_nce"),
    ("triplets", "triplet"),
    ("scored", "cosent"),
    ("margins", "margin_mse"),
    ("margins", "info_nce"),
]


@pytest.mark.parametrize(("kind", "name"), KINDS)
@pytest.mark.parametrize(
    "settings",
    [
        {"chunk_size": 100},
        {"chunk_size": 3, "grad_cache": True},
        {"chunk_size": 1, "matryoshka": (16, 5), "n_negatives": 2, "teacher_temperature": 2.0},
        {"chunk_size": 7, "matryoshka": (48, 8), "grad_cache": True},
    ],
)
def test_gradients_are_those_of_texts_embedded_alone(
    model: Model, kind: str, name: str, settings: dict[str, Any]
) -> None:
    config = FinetuneConfig(**settings)
    batch = examples(kind)
    loss = BatchLoss(model, config, PROMPTS, name).backward(batch)
    found = _gradients(model)
    dims = tuple(dim for dim in config.matryoshka if dim != model.dim)
    expected = oracle(model, FinetuneConfig(**settings | {"matryoshka": dims}), name, batch)
    expected.backward()  # type: ignore[no-untyped-call]
    assert float(loss) == pytest.approx(expected.item(), rel=1e-5)
    for each, gradient in _gradients(model).items():
        torch.testing.assert_close(found[each], gradient, rtol=1e-4, atol=2e-6, msg=each)


@pytest.mark.parametrize("name", ["embedding_mse", "embedding_cosine"])
def test_a_teachers_vectors_are_those_of_the_same_side(folder: Path, name: str) -> None:
    model, batch, teacher = load_bert(folder), examples("triplets"), Teacher()
    config = FinetuneConfig(loss=name, chunk_size=3, n_negatives=2)
    loss = BatchLoss(model, config, PROMPTS, name, teacher).backward(batch)  # type: ignore[arg-type]
    pairs = [(model.read([each.anchor], PROMPTS.query), -teacher.vector(each.anchor))
             for each in batch]  # fmt: skip
    pairs += [(model.read([text], PROMPTS.document), teacher.vector(text))
              for each in batch for text in each.texts[1:4]]  # fmt: skip
    of = embedding_mse if name == "embedding_mse" else embedding_cosine
    expected = torch.stack([of(model(one), torch.tensor(other)[None]) for one, other in pairs])
    torch.testing.assert_close(loss, expected.mean())
    assert _gradients(model)


def test_a_step_is_that_of_sentence_transformers(folder: Path, tmp_path: Path) -> None:
    model, batch = load_bert(folder), examples("pairs")
    model.save(tmp_path / "m")
    peer = SentenceTransformer(str(tmp_path / "m"), device="cpu").eval()
    loss = BatchLoss(model, FinetuneConfig(chunk_size=3), PROMPTS, "info_nce").backward(batch)
    columns = [
        peer.preprocess([PROMPTS.query + each.anchor for each in batch]),
        peer.preprocess([PROMPTS.document + each.positive for each in batch]),
    ]
    theirs = MultipleNegativesRankingLoss(peer, scale=SCALE)(columns, torch.zeros(0))
    theirs.backward()
    assert float(loss) == pytest.approx(theirs.item(), rel=1e-5)
    ours = sorted(float(gradient.double().norm()) for gradient in _gradients(model).values())
    norms = sorted(
        float(weight.grad.double().norm())
        for weight in peer.parameters()
        if weight.grad is not None
    )
    ours_total, their_total = (np.sqrt(np.square(each).sum()) for each in (ours, norms))
    assert ours_total == pytest.approx(their_total, rel=1e-4)  # ours has q, k and v in one
    words = next(w for n, w in peer.named_parameters() if n.endswith("word_embeddings.weight"))
    BatchLoss(model, FinetuneConfig(), PROMPTS, "info_nce").backward(batch)
    table = next(g for g in _gradients(model).values() if g.shape == words.shape)
    torch.testing.assert_close(table, words.grad, rtol=1e-4, atol=1e-6)


def test_equal_texts_are_no_negatives_of_each_other() -> None:
    model = static()
    config = FinetuneConfig()
    one, other = Example("the cat", "sat"), Example("the dog", "mat")
    loss = BatchLoss(model, config, PROMPTS, "info_nce")
    alone = float(loss.backward([one, other]))
    twin = Example("the cat", "on")  # of the same anchor
    vectors = [model(model.read([each.anchor, each.positive])).detach().double().numpy()
               for each in (one, other, twin)]  # fmt: skip
    logits = [[SCALE * naive_cosine(a[0], b[1]) for b in vectors] for a in vectors]
    expected = 0.0
    for i, hidden in enumerate((2, None, 0)):
        row = [logit for j, logit in enumerate(logits[i]) if j != hidden]
        expected += np.log(np.exp(row).sum()) - logits[i][i]
    none = dict.fromkeys(("query", "document"), "")
    loss = BatchLoss(model, config, type(PROMPTS)(none), "info_nce")
    assert float(loss.backward([one, other, twin])) == pytest.approx(expected / 3, rel=1e-5)
    assert alone > 0


def test_a_batch_without_negatives_learns_nothing_by_a_loss_that_needs_them(folder: Path) -> None:
    model = load_bert(folder)
    loss = BatchLoss(model, FinetuneConfig(), PROMPTS, "triplet")
    assert float(loss.backward(examples("pairs"))) == 0.0
    assert all(not gradient.any() for gradient in _gradients(model).values())


def test_the_loss_is_float32_where_the_model_is_not() -> None:
    model, batch = static(48), examples("triplets", words=["cat", "dog", "sat", "the", "mat"])

    def bfloat16() -> torch.autocast:
        return torch.autocast("cpu", dtype=torch.bfloat16)

    plain = BatchLoss(model, FinetuneConfig(), PROMPTS, "info_nce").backward(batch)
    with_it = BatchLoss(model, FinetuneConfig(), PROMPTS, "info_nce", autocast=bfloat16)
    assert torch.equal(with_it.backward(batch), plain)  # a mean of rows is not cast, a cosine is


def test_bfloat16_is_near_float32(folder: Path) -> None:
    model, batch = load_bert(folder), examples("pairs")
    kinds = [torch.autocast("cpu", dtype=torch.bfloat16, enabled=on) for on in (False, True)]
    plain, half = (
        float(BatchLoss(model, FinetuneConfig(), PROMPTS, "info_nce",
                        autocast=lambda kind=kind: kind).backward(batch))  # type: ignore[misc]
        for kind in kinds
    )  # fmt: skip
    assert half != plain
    assert half == pytest.approx(plain, abs=0.1)


def test_dropout_is_set_wherever_something_drops(folder: Path, tmp_path: Path) -> None:
    foreign = load_bert(write_bert(tmp_path / "m", "distilbert"))
    for model in (load_bert(folder), foreign):
        model.train()
        inputs = model.read(texts(2))
        assert not torch.equal(model(inputs), model(inputs))
        set_dropout(model, 0.0)
        assert torch.equal(model(inputs), model(inputs))
        set_dropout(model, 0.5)
        assert not torch.equal(model(inputs), model(inputs))


@pytest.mark.parametrize(
    ("kind", "loss", "settings", "message"),
    [
        ("pairs", "triplet", {}, "loss triplet needs triplets or margins, and f holds pairs"),
        ("scored", "info_nce", {}, "holds scored; give cosent, or other examples"),
        ("triplets", "cosent", {}, "needs scored, and f holds triplets; give info_nce"),
        ("scored", "margin_mse", {}, "needs margins, and f holds scored"),
        (
            "triplets",
            "triplet",
            {"n_negatives": 0},
            "loss triplet needs negatives, and n_negatives is 0",
        ),
    ],
)
def test_a_loss_that_the_examples_cannot_have_is_an_error(
    kind: Kind, loss: str, settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        loss_name(FinetuneConfig(loss=loss, **settings), kind, "f")


def test_the_loss_follows_from_what_a_file_holds() -> None:
    kinds: tuple[Kind, ...] = ("pairs", "triplets", "scored", "margins")
    found = [loss_name(FinetuneConfig(), kind, "f") for kind in kinds]
    assert found == ["info_nce", "info_nce", "cosent", "margin_mse"]


def test_what_does_not_fit_the_model_is_told_before_training() -> None:
    def make(loss: str, teacher: Any = None, **settings: Any) -> BatchLoss:
        return BatchLoss(static(), FinetuneConfig(**settings), PROMPTS, loss, teacher)

    with pytest.raises(ConfigError, match="needs a teacher; give one"):
        make("embedding_mse")
    with pytest.raises(ConfigError, match="teacher's vectors have 48 numbers and the student's 8"):
        make("embedding_mse", Teacher())
    with pytest.raises(ConfigError, match="matryoshka has 9, and the vectors have 8 numbers"):
        make("info_nce", matryoshka=(4, 9))
    with pytest.raises(ConfigError, match="no part of this model drops any; leave it out"):
        set_dropout(static(), 0.1)
