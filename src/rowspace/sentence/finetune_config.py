"""Settings of the training of a sentence embedder; without torch."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Any

from rowspace.errors import ConfigError
from rowspace.machine import n_own_cores

LOSSES = ("auto", "info_nce", "triplet", "cosent", "margin_mse", "embedding_mse",
          "embedding_cosine")  # fmt: skip
SIMILARITIES = ("cosine", "dot")
PRECISIONS = ("auto", "float32", "bfloat16")
MOST_EPOCHS = 10_000


@dataclass(frozen=True, kw_only=True)
class FinetuneConfig:
    """How a sentence embedder is trained on pairs."""

    loss: str = "auto"
    """A name of `LOSSES`; "auto" is by what a file holds: info_nce for pairs and triplets, cosent
    for scored pairs, margin_mse where a teacher's scores are."""
    scale: float = 20.0
    """What cosines are multiplied with in info_nce and cosent: 1 / temperature."""
    symmetric: bool = False
    """Whether info_nce looks for each positive's anchor too."""
    false_negative_margin: float | None = None
    """Leave out negatives, of the batch or hard ones, whose cosine is above (1 - this) of the
    positive's."""
    n_negatives: int = 4
    """Hard negatives taken of an example, at most."""
    margin_similarity: str = "cosine"
    """What margin_mse compares with the teacher's margins: "cosine", which lies within 2, or "dot",
    for a teacher whose scores are of any size, as a cross-encoder's."""
    teacher_temperature: float = 1.0
    """What margin_mse divides the teacher's margins by."""
    matryoshka: tuple[int, ...] = ()
    """Leading lengths that are trained besides the whole vector."""
    max_length: int | None = None
    """Tokens of a text; the base's own if not given. It is saved with the model."""
    query_prompt: str | None = None
    """Before anchors, in training and afterwards; the base's own if not given."""
    document_prompt: str | None = None
    """Before positives and negatives, in training and afterwards; the base's own if not given."""
    batch_size: int = 64
    """Examples of a step, whose positives are each other's negatives."""
    chunk_size: int = 32
    """Texts that go through the model at once; like lengths go together."""
    grad_cache: bool = False
    """Keep the graph of one chunk alone (GradCache): large batches in little memory, at the cost
    of one more forward pass."""
    steps: int | None = None
    """Steps to train for; by `epochs` if not given."""
    epochs: float = 1.0
    """Times to go through the examples."""
    learning_rate: float = 2e-5
    """Highest step size; it rises in `warmup` of the steps, then falls as half a cosine."""
    warmup: float = 0.1
    """Share of the steps in which the step size rises."""
    weight_decay: float = 0.01
    """How much AdamW shrinks matrices; a static embedder's table does not shrink."""
    clip: float = 1.0
    """Greatest norm of a gradient; 0 for any."""
    dropout: float | None = None
    """Share dropped in training; the base's own if not given, and 0.05 beside LoRA's matrices."""
    lora_rank: int = 0
    """Train small matrices of this rank beside the base's (LoRA), merged in the end; 0 trains all
    weights."""
    lora_alpha: float = 32.0
    temperature: float = 1.0
    """Of several files: batches in proportion to size^(1/temperature)."""
    precision: str = "auto"
    """What matrices are multiplied in; "auto" is bfloat16 where that is native."""
    evaluate_every: int = 0
    """Steps between two looks at the development set; 0 for ten in all."""
    patience: int = 0
    """Stop after so many looks without a better one; 0 goes on to the end. The best weights are
    kept in either case."""
    seed: int = 0
    n_threads: int | None = None
    device: str | None = None

    def __post_init__(self) -> None:
        if self.loss not in LOSSES:
            raise ConfigError(f"loss is {self.loss!r}; give one of {', '.join(LOSSES)}")
        if self.margin_similarity not in SIMILARITIES:
            raise ConfigError(
                f"margin_similarity is {self.margin_similarity!r}; give one of "
                f"{', '.join(SIMILARITIES)}"
            )
        if self.precision not in PRECISIONS:
            raise ConfigError(
                f"precision is {self.precision!r}; give one of {', '.join(PRECISIONS)}"
            )
        for name in ("chunk_size", "n_threads", "steps", "max_length"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ConfigError(f"{name} is {value}; give 1 or more")
        for name in _NOT_NEGATIVE:
            if not 0 <= getattr(self, name) < math.inf:  # also NaN
                raise ConfigError(f"{name} is {getattr(self, name)}; give 0 or more")
        for name in ("learning_rate", "scale", "teacher_temperature", "lora_alpha"):
            if not 0 < getattr(self, name) < math.inf:
                raise ConfigError(f"{name} is {getattr(self, name)}; give a number above 0")
        if not 0 < self.epochs <= MOST_EPOCHS:
            raise ConfigError(
                f"epochs is {self.epochs}; give more than 0, and at most {MOST_EPOCHS:,}"
            )
        if self.dropout is not None and not 0 <= self.dropout < 1:
            raise ConfigError(f"dropout is {self.dropout}; give 0 or more, less than 1")
        if min(self.matryoshka, default=1) < 1 or len(set(self.matryoshka)) < len(self.matryoshka):
            raise ConfigError(
                f"matryoshka is {list(self.matryoshka)}; give different lengths of 1 or more"
            )
        margin = self.false_negative_margin
        if margin is not None and not math.isfinite(margin):
            raise ConfigError(f"false_negative_margin is {margin}; give a share, as 0.05")
        if self.warmup > 1:
            raise ConfigError(f"warmup is {self.warmup}; give a share of the steps, 0 to 1")

    @property
    def threads(self) -> int:
        """Number of threads to use here."""
        return self.n_threads or n_own_cores()

    def without_machine(self) -> dict[str, Any]:
        """What decides the result but for rounding: the settings without threads and device."""
        settings = dataclasses.asdict(self)
        del settings["n_threads"], settings["device"]
        return settings


_NOT_NEGATIVE = ("n_negatives", "warmup", "weight_decay", "clip", "lora_rank", "evaluate_every",
                 "patience", "seed")  # fmt: skip
