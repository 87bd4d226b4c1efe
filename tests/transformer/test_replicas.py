import copy
from typing import Any

import pytest
import torch

from rowspace.errors import ConfigError, VocabularyError
from rowspace.transformer.loss import IGNORED
from rowspace.transformer.model import LanguageModel
from rowspace.transformer.replicas import Replicas
from rowspace.transformer.vocabulary import extend_vocabulary


def small_model(position: str = "rope") -> LanguageModel:
    torch.manual_seed(1)
    return LanguageModel(
        vocab_size=11, dim=32, n_layers=2, n_heads=4, max_length=16, position=position
    )


def batch(n_texts: int = 4) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(2)
    ids = torch.randint(11, (n_texts, 9), generator=generator)
    return ids[:, :-1].contiguous(), ids[:, 1:].contiguous()


@pytest.mark.parametrize("n_replicas", [1, 2, 3])
def test_gradients_are_those_of_one_backward_pass(n_replicas: int) -> None:
    model, (ids, targets) = small_model(), batch()
    targets[0, 2:] = IGNORED  # so that the parts weigh differently
    plain = copy.deepcopy(model)
    loss = plain.loss(ids, targets)
    loss.backward()  # type: ignore[no-untyped-call]
    with Replicas(model, n_replicas) as replicas:
        ours = replicas.gradients(ids, targets)
    torch.testing.assert_close(ours, loss.detach())
    for weight, expected in zip(model.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(weight.grad, expected.grad, rtol=1e-4, atol=1e-6)


def test_fewer_texts_than_copies_leave_no_old_gradients() -> None:
    model, (ids, targets) = small_model(), batch(1)
    plain = copy.deepcopy(model)
    plain.loss(ids, targets).backward()  # type: ignore[no-untyped-call]
    with Replicas(model, 2) as replicas:
        replicas.gradients(*batch())
        replicas.gradients(ids, targets)
    for weight, expected in zip(model.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(weight.grad, expected.grad, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("position", ["learned", "rope", "alibi", "t5", "none"])
def test_bfloat16_gradients_point_where_exact_ones_do(position: str) -> None:
    model, (ids, targets) = small_model(position), batch()
    plain = copy.deepcopy(model)
    plain.loss(ids, targets).backward()  # type: ignore[no-untyped-call]
    with Replicas(model, 2, torch.bfloat16) as replicas:
        replicas.gradients(ids, targets)
    exact, ours = (
        torch.cat(
            [weight.grad.flatten() for weight in each.parameters() if weight.grad is not None]
        )
        for each in (plain, model)
    )
    assert ours.dtype == torch.float32
    assert torch.cosine_similarity(exact, ours, dim=0) > 0.999
    torch.testing.assert_close(ours.norm(), exact.norm(), rtol=0.02, atol=0)


def test_copies_follow_the_optimizer() -> None:
    model, (ids, targets) = small_model(), batch()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with Replicas(model, 2) as replicas:
        before = replicas.gradients(ids, targets)
        optimizer.step()
        after = replicas.gradients(ids, targets)
    assert after < before
    torch.testing.assert_close(after, model.loss(ids, targets).detach())


def test_a_loaded_state_reaches_the_copies() -> None:
    model, other, (ids, targets) = small_model(), small_model("rope"), batch()
    with torch.no_grad():
        for weight in other.parameters():
            weight.mul_(1.5)
    with Replicas(model, 2) as replicas:
        model.load_state_dict(other.state_dict())
        torch.testing.assert_close(
            replicas.gradients(ids, targets), other.loss(ids, targets).detach()
        )


@pytest.mark.parametrize("change", ["assigned", "extended", "frozen"])
def test_weights_that_the_copies_no_longer_read_are_told(change: str) -> None:
    model = small_model()
    with Replicas(model, 2) as replicas:
        replicas.gradients(*batch())
        if change == "assigned":
            model.load_state_dict(small_model().state_dict(), assign=True)
        elif change == "extended":
            extend_vocabulary(model, 3)
        else:
            model.transformer.embeddings.token.weight.requires_grad_(False)
        with pytest.raises(ConfigError, match=r"token\.weight is no longer .*make Replicas anew"):
            replicas.gradients(*batch())


def test_copies_drop_out_where_the_model_does() -> None:
    torch.manual_seed(1)
    model = LanguageModel(vocab_size=11, dim=32, n_layers=1, n_heads=2, max_length=16, dropout=0.5)
    ids, targets = batch()
    with Replicas(model, 2) as replicas:
        model.eval()
        expected = model.loss(ids, targets).detach()
        torch.testing.assert_close(replicas.gradients(ids, targets), expected)
        model.train()
        assert replicas.gradients(ids, targets) != replicas.gradients(ids, targets)


@pytest.mark.parametrize("n_rounds", [1, 2])
@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
def test_a_sparse_table_gets_the_gradient_of_a_dense_one(
    precision: torch.dtype, n_rounds: int
) -> None:
    torch.manual_seed(1)
    shape: dict[str, Any] = {"vocab_size": 11, "dim": 32, "n_layers": 1, "n_heads": 2}
    models = [LanguageModel(**shape, is_tied=False, sparse=sparse) for sparse in (True, False)]
    models[1].load_state_dict(models[0].state_dict())
    for model in models:
        model.transformer.embeddings.token.freeze([4])
    norms = []
    for model in models:
        with Replicas(model, 2, precision, n_rounds=n_rounds) as replicas:
            replicas.gradients(*batch())
            norms.append(replicas.clip(0.1))
    rtol, atol = (0.02, 1e-3) if precision == torch.bfloat16 else (1e-5, 1e-7)
    torch.testing.assert_close(norms[0], norms[1], rtol=1e-3, atol=0)
    sparse, dense = (model.transformer.embeddings.token.weight.grad for model in models)
    assert sparse is not None
    assert sparse.is_sparse
    assert sparse.is_coalesced()
    assert sparse.dtype == torch.float32
    torch.testing.assert_close(sparse.to_dense(), dense, rtol=rtol, atol=atol)
    assert not sparse.to_dense()[4].any()


def test_frozen_parameters_get_no_gradient() -> None:
    model = small_model()
    model.transformer.blocks[0].requires_grad_(False)
    with Replicas(model, 2) as replicas:
        replicas.gradients(*batch())
    assert all(w.grad is None for w in model.transformer.blocks[0].parameters())
    assert all(w.grad is not None for w in model.transformer.blocks[1].parameters())


def test_clipping_is_that_of_torch() -> None:
    model, (ids, targets) = small_model(), batch()
    plain = copy.deepcopy(model)
    plain.loss(ids, targets).backward()  # type: ignore[no-untyped-call]
    expected = torch.nn.utils.clip_grad_norm_(plain.parameters(), 0.1)
    with Replicas(model, 2) as replicas:
        replicas.gradients(ids, targets)
        norm = replicas.clip(0.1)
    torch.testing.assert_close(norm, expected, rtol=1e-4, atol=1e-6)
    for weight, clipped in zip(model.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(weight.grad, clipped.grad, rtol=1e-4, atol=1e-6)


def test_the_same_batch_gives_the_same_bits() -> None:
    gradients = []
    for _ in range(2):
        model = small_model()
        with Replicas(model, 2, torch.bfloat16) as replicas:
            replicas.gradients(*batch())
        gradients.append([weight.grad for weight in model.parameters()])
    assert all(torch.equal(a, b) for a, b in zip(*gradients, strict=True))


def test_other_threads_keep_their_number() -> None:
    before = torch.get_num_threads()
    with Replicas(small_model(), 2):
        assert torch.get_num_threads() == before


def test_an_error_in_a_copy_is_raised() -> None:
    ids, targets = batch()
    ids[0, 0] = 99
    with (
        Replicas(small_model(), 2) as replicas,
        pytest.raises(VocabularyError, match="token id 99"),
    ):
        replicas.gradients(ids, targets)


def test_bad_settings_are_told() -> None:
    with pytest.raises(ConfigError, match=r"n_replicas is 0; give 1 or more"):
        Replicas(small_model(), 0)
    model = small_model()
    model.transformer.embeddings.register_forward_hook(lambda *_: None)
    with pytest.raises(ConfigError, match=r"transformer.embeddings is watched by a hook"):
        Replicas(model, 2)
