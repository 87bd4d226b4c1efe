"""What each process of a test of several does: `torchrun -m tests.sentence.ranks FOLDER`.

Writes the gradients of batches, FOLDER/NAME.RANK.safetensors, and does the runs of `runs`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file

from rowspace.sentence import FinetuneConfig
from rowspace.sentence.batch_loss import BatchLoss, set_dropout
from rowspace.sentence.gathering import sum_gradients
from rowspace.transformer.distributed import ALONE, World, joined
from rowspace.transformer.lora import add_lora
from tests.sentence.small_training import PROMPTS, Model, examples, load_bert, static

KINDS = [
    ("pairs", "info_nce"),
    ("triplets", "info_nce"),
    ("triplets", "triplet"),
    ("scored", "cosent"),
    ("margins", "margin_mse"),
    ("margins", "embedding_mse"),
    ("triplets", "embedding_cosine"),
]
SETTINGS: dict[str, dict[str, Any]] = {
    "few": {"chunk_size": 100},  # one chunk, or two: somebody may have none
    "cached": {"chunk_size": 3, "grad_cache": True},
    "short": {"chunk_size": 2, "matryoshka": (16, 5), "n_negatives": 2, "symmetric": True},
}
LORA = [(4, 16), (16, 4)]


class Teacher:
    """Vectors of a text's letters, other ones of queries and documents."""

    dim, fingerprint = 48, "letters"

    def encode(self, lines: list[str]) -> Any:
        return np.stack([self.vector(line) for line in lines])

    def encode_query(self, lines: list[str]) -> Any:
        return -self.encode(lines)

    def vector(self, line: str) -> Any:
        return np.random.default_rng(list(line.encode())).normal(size=48).astype(np.float32)


def bert(folder: Path) -> Model:
    return load_bert(folder).double()


def adapted(folder: Path) -> Model:
    """A frozen transformer with small matrices that learn, none of them 0."""
    model = load_bert(folder).double()
    torch.manual_seed(3)
    add_lora(model.transformer, rank=2, dropout=0.0)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if name.endswith("lora_b"):
                weight.normal_()
    return model.double()


def table(folder: Path) -> Model:
    model = static(48).double()
    model.table.sparse = True
    return model


def dropping(folder: Path) -> Model:
    model = load_bert(folder).double()
    set_dropout(model, 0.3)
    return model.train()


MODELS: dict[str, Callable[[Path], Model]] = {
    "bert": bert,
    "lora": adapted,
    "table": table,
    "dropping": dropping,
}


def cases() -> dict[str, tuple[str, str, str, str]]:
    """By name: the model, the kind of examples, the loss and the settings."""
    found = [("bert", *kind, settings) for kind in KINDS for settings in SETTINGS]
    found += [("table", *kind, "cached") for kind in KINDS]
    found += [("lora", "triplets", "info_nce", settings) for settings in SETTINGS]
    found += [("dropping", "triplets", "info_nce", settings) for settings in SETTINGS]
    return {"-".join(case): case for case in found}


def gradients(
    folder: Path, case: tuple[str, str, str, str], world: World = ALONE, *, bfloat16: bool = False
) -> dict[str, torch.Tensor]:
    """The loss of a batch and each gradient, summed over the world."""
    model = MODELS[case[0]](folder)
    _, kind, name, settings = case
    teacher: Any = Teacher() if name.startswith("embedding_") else None

    def autocast() -> Any:
        return torch.autocast("cpu", dtype=torch.bfloat16) if bfloat16 else nullcontext()

    loss = BatchLoss(
        model, FinetuneConfig(**SETTINGS[settings]), PROMPTS, name, teacher, autocast, world
    )
    torch.manual_seed(11)
    value = loss.backward(examples(kind))
    sum_gradients(model, world)
    return {"loss": value.double()} | {
        name: weight.grad.to_dense().clone()
        for name, weight in model.named_parameters()
        if weight.grad is not None
    }


def main(folder: Path) -> None:
    checks: Any = torch.sparse.check_sparse_tensor_invariants
    with joined() as world, checks(False):
        for name, case in cases().items():
            found = gradients(folder / "bert", case, world)
            save_file(found, folder / f"{name}.{world.rank}.safetensors")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
