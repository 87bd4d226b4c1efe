"""What a decoder is made a sentence embedder with."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from rowspace.errors import ConfigError
from rowspace.sentence.finetune_config import FinetuneConfig
from rowspace.transformer.mntp_config import MNTPConfig

CONTRASTIVE = ("simcse", "supervised", "none")


@dataclass(frozen=True, kw_only=True)
class LLM2VecConfig:
    """Settings of LLM2Vec; the defaults are the paper's, for models of a billion parameters.

    What is None follows `contrastive`: the first value for simcse, the second for supervised.
    """

    contrastive: str = "simcse"
    """The last step: a text against itself under other dropout, pairs that are given, or none."""
    mntp_steps: int = 1000
    """Of masked next-token prediction; 0 leaves it out."""
    mntp_batch_size: int = 32
    mntp_length: int = 512
    """Tokens of a text, there and of what the embedder reads; the model's own where that is
    less."""
    mntp_learning_rate: float = 5e-5
    mask_share: float = 0.2
    mask_token: str = "_"  # noqa: S105
    """That stands where one is hidden; the tokenizer's mask token where there is none."""
    held_out: float = 0.05
    """Share of the corpus that the loss is measured on; 0 for none."""
    contrastive_steps: int | None = None
    """1,000; by `epochs` for supervised."""
    epochs: float = 3.0
    """Times to go through the pairs, where no steps are given."""
    contrastive_batch_size: int | None = None
    """128; 64."""
    contrastive_length: int | None = None
    """128; 512; the model's own where that is less."""
    contrastive_learning_rate: float | None = None
    """3e-5; 2e-4."""
    dropout: float | None = None
    """Of states and of attention: .3; the model's own."""
    scale: float = 20.0
    """What cosines are multiplied by."""
    rank: int = 16
    """Of LoRA, in both steps; 0 trains all weights."""
    alpha: float = 32.0
    accumulation: int = 1
    """Parts that a step of masked prediction goes through its texts in, to save memory."""
    precision: str = "auto"
    """bfloat16 where the processor multiplies it natively, else float32; or one of the two."""
    seed: int = 1
    n_threads: int | None = None
    device: str | None = None

    def __post_init__(self) -> None:
        if self.contrastive not in CONTRASTIVE:
            raise ConfigError(
                f"contrastive is {self.contrastive!r}; give one of {', '.join(CONTRASTIVE)}"
            )
        if self.mntp_steps < 0:
            raise ConfigError(f"mntp_steps is {self.mntp_steps}; give 1 or more, or 0 for none")
        if self.rank < 0:
            raise ConfigError(f"rank is {self.rank}; give 1 or more, or 0 to train all")
        _ = self.mntp, self.finetune  # each checks its own part

    @property
    def mntp(self) -> MNTPConfig:
        """Those of masked next-token prediction."""
        return MNTPConfig(
            steps=max(1, self.mntp_steps),
            batch_size=self.mntp_batch_size,
            max_length=self.mntp_length,
            learning_rate=self.mntp_learning_rate,
            **self._shared("mask_share", "mask_token", "held_out", "accumulation", "rank", "alpha"),
        )

    @property
    def finetune(self) -> FinetuneConfig:
        """Those of the contrastive step."""
        is_paired = self.contrastive == "supervised"
        steps = self.contrastive_steps
        if steps is None and not is_paired:
            steps = 1000
        return FinetuneConfig(
            loss="info_nce",
            steps=steps,
            epochs=self.epochs,
            batch_size=self.contrastive_batch_size or (64 if is_paired else 128),
            learning_rate=self.contrastive_learning_rate or (2e-4 if is_paired else 3e-5),
            dropout=0.3 if self.dropout is None and not is_paired else self.dropout,
            lora_rank=self.rank,
            lora_alpha=self.alpha,
            **self._shared("scale"),
        )

    @property
    def longest(self) -> int:
        """Tokens of a text in the contrastive step."""
        return self.contrastive_length or (512 if self.contrastive == "supervised" else 128)

    def _shared(self, *names: str) -> dict[str, Any]:
        machine = ("precision", "seed", "n_threads", "device")
        return {name: getattr(self, name) for name in (*names, *machine)}

    def without_machine(self) -> dict[str, Any]:
        """What decides the result but for rounding: the settings without threads and device."""
        settings = dataclasses.asdict(self)
        del settings["n_threads"], settings["device"]
        return settings
