"""What masked next-token prediction is trained with."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from rowspace.errors import ConfigError
from rowspace.transformer.pretrain_config import PretrainConfig


@dataclass(frozen=True, kw_only=True)
class MNTPConfig:
    """Settings of masked next-token prediction; the defaults are LLM2Vec's (appendix D.1)."""

    steps: int = 1000
    batch_size: int = 32
    """Texts of one step."""
    accumulation: int = 1
    """Parts that a step's texts are gone through in; the step is the same."""
    max_length: int = 512
    """Tokens of one text; the model's own where that is less."""
    mask_share: float = 0.2
    """Of the tokens that are chosen: of them 80% are hidden, 10% are other ones, 10% stay."""
    mask_token: str = "_"  # noqa: S105
    """That stands where one is hidden; the tokenizer's mask token where there is none."""
    learning_rate: float = 5e-5
    """At the start; a tenth of it at the end."""
    warmup: int = 0
    """Steps in which the learning rate rises."""
    weight_decay: float = 0.0
    clip: float = 1.0
    """Greatest norm of the gradient; 0 for any."""
    rank: int = 16
    """Of LoRA; 0 trains all of the model, which a small one can do."""
    alpha: float = 32.0
    """Of LoRA: what is learned is multiplied by alpha / rank."""
    lora_dropout: float = 0.05
    held_out: float = 0.05
    """Share of the text that the loss is measured on and nothing is learned from; 0 for none."""
    evaluate_every: int = 250
    """Steps between two held-out losses; 0 for one at the end."""
    checkpoint_every: int | None = None
    """Steps between two checkpoints; about once a minute if not given."""
    precision: str = "auto"
    """bfloat16 where the processor multiplies it natively, else float32; or one of the two."""
    seed: int = 1
    n_threads: int | None = None
    device: str | None = None
    """A name of torch; `cuda` where there is one, else `cpu`, if not given."""

    def __post_init__(self) -> None:
        if self.rank < 0:
            raise ConfigError(f"rank is {self.rank}; give 1 or more, or 0 to train all")
        self.as_pretraining(self.max_length, self.lora_dropout)  # it checks its own part

    def as_pretraining(self, max_length: int, dropout: float) -> PretrainConfig:
        """The same as what a pretraining run takes.

        Parameters
        ----------
        max_length : int
            Of the model, at most.
        dropout : float
            The greatest share that the model drops; a step is seeded where it drops any.
        """
        shared = {name: getattr(self, name) for name in _SHARED}
        length = min(self.max_length, max_length)
        return PretrainConfig(max_length=length, dropout=dropout, row_record=False, **shared)

    def without_machine(self) -> dict[str, Any]:
        """What decides the result but for rounding: the settings without threads and device."""
        settings = dataclasses.asdict(self)
        del settings["n_threads"], settings["device"]
        return settings


_SHARED = (
    "steps", "batch_size", "accumulation", "mask_share", "learning_rate", "warmup", "weight_decay",
    "clip", "held_out", "evaluate_every", "checkpoint_every", "precision", "seed", "n_threads",
    "device",
)  # fmt: skip
