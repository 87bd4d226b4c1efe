"""What each process does in a test of several: `torchrun -m tests.sentence.ranks FOLDER`."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import torch
from safetensors.torch import save_file

from rowspace.errors import ClusterError
from rowspace.sentence import FinetuneConfig, SentenceTrainer
from rowspace.sentence.batch_loss import BatchLoss, set_dropout
from rowspace.sentence.example import Example
from rowspace.sentence.finetune import FinetuneReport
from rowspace.sentence.gathering import sum_gradients
from rowspace.sentence.pairs import examples_of
from rowspace.sentence.prompts import Prompts
from rowspace.sentence.static_model import StaticModel
from rowspace.transformer.distributed import ALONE, World, joined
from rowspace.transformer.lora import add_lora
from rowspace.transformer.tokenizer import SubwordTokenizer
from tests.sentence import small_static
from tests.sentence.naive_batches import Teacher
from tests.sentence.small_training import PROMPTS, Model, examples, load_bert, static

WORDS = [word for word in small_static.WORDS if word.isalpha()]
"""That the small tables know."""
SETTINGS: dict[str, dict[str, Any]] = {
    "few": {"chunk_size": 100},  # a chunk for each prompt: somebody may have none
    "cached": {"chunk_size": 3, "grad_cache": True},
    "short": {"chunk_size": 2, "matryoshka": (16, 5), "n_negatives": 2, "symmetric": True},
}
CASES = [
    ("bert", "pairs", "info_nce", "short"),
    ("bert", "triplets", "info_nce", "cached"),
    ("bert", "triplets", "triplet", "few"),
    ("bert", "scored", "cosent", "few"),
    ("bert", "margins", "margin_mse", "short"),
    ("bert", "margins", "embedding_mse", "cached"),
    ("table", "triplets", "info_nce", "cached"),
    ("table", "scored", "cosent", "few"),
    ("table", "triplets", "embedding_cosine", "few"),
    ("lora", "triplets", "info_nce", "cached"),
    ("dropping", "triplets", "info_nce", "few"),
    ("dropping", "triplets", "info_nce", "cached"),
]
"""Of each the model, the kind of examples, the loss and the settings."""


def _bert(folder: Path) -> Model:
    return load_bert(folder).double()


def _lora(folder: Path) -> Model:
    """A frozen transformer with small matrices that learn, none of them 0."""
    model = load_bert(folder)
    with torch.random.fork_rng():
        torch.manual_seed(3)
        add_lora(model.transformer, rank=2, dropout=0.0)
        for name, weight in model.named_parameters():
            if name.endswith("lora_b"):
                torch.nn.init.normal_(weight)
    return model.double()


def _table(folder: Path) -> Model:
    model = static(48).double()
    assert isinstance(model, StaticModel)
    model.table.sparse = True
    return model


def _dropping(folder: Path) -> Model:
    model = load_bert(folder).double()
    set_dropout(model, 0.3)
    return model.train()


MODELS: dict[str, Callable[[Path], Model]] = {
    "bert": _bert,
    "lora": _lora,
    "table": _table,
    "dropping": _dropping,
}


def gradients(
    folder: Path, case: tuple[str, str, str, str], world: World = ALONE
) -> dict[str, torch.Tensor]:
    """The loss of a batch and each gradient, summed over the world."""
    model = MODELS[case[0]](folder)
    _, kind, name, settings = case
    teacher: Any = Teacher() if name.startswith("embedding_") else None
    config = FinetuneConfig(**SETTINGS[settings])
    loss = BatchLoss(model, config, PROMPTS, name, teacher, world=world)
    torch.manual_seed(11)
    value = loss.backward(examples(kind, words=WORDS))
    sum_gradients(model, world)
    return {"loss": value} | gradients_of(model)


def gradients_of(model: Model) -> dict[str, torch.Tensor]:
    return {
        name: weight.grad.to_dense().clone()
        for name, weight in model.named_parameters()
        if weight.grad is not None
    }


def loss_of_four_pairs(world: World = ALONE) -> torch.Tensor:
    """Cosine 1 within each pair, 0 between pairs; what counts is multiplied by 1."""
    tokenizer = SubwordTokenizer(small_static.tokenizer())
    model = StaticModel(np.eye(tokenizer.vocab_size, dtype=np.float32), tokenizer)
    batch = [Example(word, f"{word} {word}") for word in ("cat", "dog", "sat", "mat")]
    config = FinetuneConfig(scale=1.0, chunk_size=2)
    return BatchLoss(model, config, Prompts({}), "info_nce", world=world).backward(batch)


RUNS: dict[str, tuple[str, dict[str, Any], tuple[str, ...]]] = {
    "table": ("table", {"matryoshka": (16,), "temperature": 2.0}, ("pairs", "scored")),
    "dropout": ("bert", {"dropout": 0.2, "grad_cache": True, "batch_size": 3}, ("triplets",)),
    "lora": ("bert", {"lora_rank": 2, "weight_decay": 0.1}, ("triplets", "margins")),
}
"""Of each the model, the settings and the kinds of examples."""
USUAL: dict[str, Any] = {"batch_size": 4, "learning_rate": 0.01, "n_threads": 1, "epochs": 3}
USUAL |= {"precision": "float32", "chunk_size": 3}
STOPPED_AFTER = 3


def run(
    folder: Path,
    name: str,
    out: str,
    world: World = ALONE,
    *,
    resume: bool = False,
    more: float = 0.0,
    **given: Any,
) -> FinetuneReport:
    """Train, and write FOLDER/OUT; with `more` in each of the model's weights."""
    kind_of_model, settings, kinds = RUNS[name]
    model = MODELS[kind_of_model](folder / "bert")
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(more)
    return SentenceTrainer(**USUAL | settings | given, world=world).fit(
        model,
        [examples_of(examples(kind, 8 + i, WORDS), kind) for i, kind in enumerate(kinds)],
        folder / out,
        resume=resume,
    )


def run_and_stop(folder: Path, name: str, out: str, world: World = ALONE) -> None:
    """The same, but a signal meets the last process in a step, at whose end all stop."""
    original, n = BatchLoss.backward, 0

    def stopping(self: BatchLoss, batch: Any) -> Any:
        nonlocal n
        n += 1
        if n == STOPPED_AFTER and world.rank == world.size - 1:
            signal.raise_signal(signal.SIGINT)
        return original(self, batch)

    with mock.patch.object(BatchLoss, "backward", stopping), suppress(KeyboardInterrupt):
        run(folder, name, out, world)
        raise AssertionError("nothing stopped it")


def main(folder: Path) -> None:
    checks: Any = torch.sparse.check_sparse_tensor_invariants
    with joined() as world, checks(False):
        for case in CASES:
            found = gradients(folder / "bert", case, world)
            save_file(found, folder / f"{'-'.join(case)}.{world.rank}")
        save_file({"loss": loss_of_four_pairs(world)}, folder / f"four.{world.rank}")
        for name in RUNS:
            run(folder / "runs", name, f"{name}-together", world)
            run_and_stop(folder / "runs", name, f"{name}-first-together", world)
            run(folder / "runs", name, f"{name}-then-together", world, resume=True)
        for name in ("seed", "model"):
            other: dict[str, Any] = {"seed" if name == "seed" else "more": world.rank}
            try:
                run(folder / "runs", "dropout", f"unlike-{name}", world, **other)
            except ClusterError as error:
                (folder / f"{name}.{world.rank}").write_text(str(error))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
