"""More tokens for a trained model: old logits stay, new tokens can be read, drawn and learnt."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from rowspace.errors import ConfigError
from rowspace.transformer.model import Encoder, LanguageModel
from rowspace.transformer.optimizers import make_optimizer
from rowspace.transformer.vocabulary import extend_vocabulary

MODELS: list[Any] = [LanguageModel, Encoder]


@pytest.mark.parametrize("kind", MODELS)
@pytest.mark.parametrize("is_tied", [True, False])
@pytest.mark.parametrize("row_multiple", [1, 8])
def test_old_logits_stay_and_new_tokens_learn(kind: Any, is_tied: bool, row_multiple: int) -> None:
    torch.manual_seed(0)
    model = kind(
        vocab_size=13,
        dim=16,
        n_layers=1,
        n_heads=2,
        max_length=8,
        is_tied=is_tied,
        row_multiple=row_multiple,
    )
    optimizer = make_optimizer(model, "adamw", lr=0.01)
    ids = torch.randint(13, (2, 8))
    torch.autograd.backward(model.loss(ids, ids))
    optimizer.step()
    optimizer.zero_grad()
    before = model(ids).detach()
    new_ids = extend_vocabulary(model, 4, optimizer=optimizer)
    assert new_ids == range(13, 17)
    assert model.config.vocab_size == model.transformer.config.vocab_size == 17
    after = model(ids)
    assert after.shape[-1] == 17
    torch.testing.assert_close(after[..., :13], before, rtol=0, atol=1e-6)
    with_new = ids.clone()
    with_new[:, 3] = 15
    row = model.head.weight[15].detach().clone()
    torch.autograd.backward(model.loss(with_new, with_new))
    optimizer.step()
    assert not torch.equal(model.head.weight[15], row)
    assert (model.head.weight is model.transformer.embeddings.token.weight) == is_tied


def test_no_token_is_no_extension() -> None:
    model = LanguageModel(vocab_size=13, dim=16, n_layers=1, n_heads=2)
    with pytest.raises(ConfigError, match="n_new is 0"):
        extend_vocabulary(model, 0)
