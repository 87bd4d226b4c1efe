"""What a language model is pretrained with: its text, its shape, its steps."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Any

from rowspace.errors import ConfigError
from rowspace.machine import MOST_THREADS, n_own_cores
from rowspace.transformer.config import TransformerConfig

SCALINGS = ("linear", "dynamic", "yarn", "ntk")
PRECISIONS = ("auto", "float32", "bfloat16")
DEFAULT_STEPS = 2000
MOST_EPOCHS = 1_000_000


@dataclass(frozen=True, kw_only=True)
class PretrainConfig:
    """Settings of pretraining; the defaults make a small model in minutes on two cores."""

    tokenizer: str = "bpe"
    """What to train on the text, or the folder of a tokenizer that is there already."""
    vocab_size: int = 4096
    """Tokens of a tokenizer that is trained; one that is given has its own."""
    start_vectors: str | None = None
    """Word vectors that the rows of tokens start from, where a token is a word that has one: a
    path that `rowspace.load` reads, of dimension `dim`. word2vec learns a word from little text and
    in little time, and the model need not learn it again (Qi et al. 2018); other rows start as
    random numbers, as all do without."""
    dim: int = 128
    n_layers: int = 4
    n_heads: int = 4
    n_kv_heads: int | None = None
    head_dim: int | None = None
    """dim / n_heads if not given."""
    hidden_dim: int | None = None
    max_length: int = 128
    """Tokens of one text that the model is trained on."""
    position: str = "rope"
    base: float | None = None
    """Of RoPE's angles; its usual 10,000 if not given."""
    scaling: str | None = None
    """How RoPE is stretched: linear, dynamic, yarn or ntk."""
    scaling_factor: float | None = None
    """By how much."""
    norm: str = "rms"
    activation: str = "swiglu"
    bias: bool = False
    is_tied: bool = True
    sparse: bool = False
    """Whether reading gives the token table a sparse gradient, which leaves the rows that are not
    read where they are; for a table that is not tied, and an optimizer that takes it."""
    dropout: float = 0.0
    mask_share: float = 0.15
    """Share of the tokens that a masked model has to tell; a causal one does not use it."""
    whole_words: bool = False
    """Whether a masked model's words are hidden whole or not at all."""
    mask_sample: float | None = None
    """Frequency above which tokens are hidden less often, as word2vec's `sample`; 1e-4 makes a
    masked model learn more of what texts are about, and less of grammar."""
    batch_size: int = 16
    """Texts of one step."""
    accumulation: int = 1
    """Parts that a step's texts are gone through in, one after the other; the step is the same."""
    steps: int | None = None
    """2,000 if neither steps nor epochs are given."""
    epochs: float | None = None
    """Steps as times that the text is gone through, block by block in a random order; given steps,
    each block begins anywhere."""
    optimizer: str = "adamw"
    learning_rate: float = 1e-3
    min_learning_rate: float | None = None
    """At the end; a tenth of `learning_rate` if not given."""
    warmup: int = 100
    """Steps in which the learning rate rises."""
    beta2: float = 0.99
    weight_decay: float = 0.1
    clip: float = 1.0
    """Greatest norm of the gradient; 0 for any."""
    precision: str = "auto"
    """bfloat16 where the processor multiplies it natively, else float32; or one of the two."""
    held_out: float = 0.05
    """Share of the text that the loss is measured on and nothing is learned from; 0 for none."""
    row_record: bool = True
    """Whether it is recorded which rows of the token table learn, and how much."""
    log_every: int = 10
    """Steps between two entries of the loss in the history."""
    evaluate_every: int = 250
    """Steps between two held-out losses; 0 for one at the end."""
    checkpoint_every: int | None = None
    """Steps between two checkpoints; about once a minute if not given."""
    seed: int = 1
    n_threads: int | None = None
    device: str | None = None
    """A name of torch; `cuda` where there is one, else `cpu`, if not given."""

    def __post_init__(self) -> None:
        for name in ("vocab_size", "batch_size", "accumulation", "log_every"):
            self._check_count(name)
        for name in (
            "n_kv_heads",
            "head_dim",
            "hidden_dim",
            "steps",
            "checkpoint_every",
            "n_threads",
        ):
            if getattr(self, name) is not None:
                self._check_count(name)
        for name in ("warmup", "evaluate_every"):
            self._check_range(name, 0, math.inf)
        if not 0 <= self.seed < 2**63:
            raise ConfigError(f"seed is {self.seed}; give 0 or more, less than 2**63")
        if self.threads > MOST_THREADS:
            raise ConfigError(f"n_threads is {self.n_threads:,}; give {MOST_THREADS:,} or less")
        self._check_range("max_length", 2, math.inf)
        self._check_range("weight_decay", 0, math.inf)
        self._check_range("clip", 0, math.inf)
        self._check_schedule()
        if not 0 <= self.held_out <= 0.5:
            raise ConfigError(f"held_out is {self.held_out}; give a share from 0 (none) to 0.5")
        if not 0 < self.mask_share < 1:
            raise ConfigError(f"mask_share is {self.mask_share}; give more than 0, less than 1")
        if self.mask_sample is not None and not 0 < self.mask_sample <= 1:
            raise ConfigError(
                f"mask_sample is {self.mask_sample}; give a frequency above 0, at most 1, or none"
            )
        if not 0 <= self.beta2 < 1:
            raise ConfigError(f"beta2 is {self.beta2}; give 0 or more, less than 1")
        if self.batch_size % self.accumulation:
            raise ConfigError(
                f"batch_size is {self.batch_size}, which {self.accumulation} parts (accumulation) "
                "do not divide; give a multiple"
            )
        if self.precision not in PRECISIONS:
            raise ConfigError(
                f"precision is {self.precision!r}; give one of {', '.join(PRECISIONS)}"
            )
        self.model_config(self.vocab_size)  # it checks its own part

    def _check_schedule(self) -> None:
        if self.steps is not None and self.epochs is not None:
            raise ConfigError(
                f"steps is {self.steps} and epochs {self.epochs}, which say the same thing twice; "
                "give one of them"
            )
        if self.epochs is not None and not 0 < self.epochs <= MOST_EPOCHS:
            raise ConfigError(
                f"epochs is {self.epochs}; give more than 0, and at most {MOST_EPOCHS:,}"
            )
        if not 0 < self.learning_rate < math.inf:
            raise ConfigError(f"learning_rate is {self.learning_rate}; give more than 0")
        if not 0 <= self.lowest_learning_rate <= self.learning_rate:
            raise ConfigError(
                f"min_learning_rate is {self.min_learning_rate}; give 0 or more, and at most "
                f"learning_rate, {self.learning_rate}"
            )

    def _check_count(self, name: str) -> None:
        if getattr(self, name) < 1:
            raise ConfigError(f"{name} is {getattr(self, name)}; give 1 or more")

    def _check_range(self, name: str, low: float, high: float) -> None:
        if not low <= getattr(self, name) < high:  # also NaN
            raise ConfigError(f"{name} is {getattr(self, name)}; give {low} or more")

    def model_config(self, vocab_size: int, **more: Any) -> TransformerConfig:
        """The shape of the model, for a tokenizer of so many tokens."""
        return TransformerConfig(
            vocab_size=vocab_size,
            position_settings=self._position_settings(),
            **{name: getattr(self, name) for name in _MODEL_FIELDS},
            **more,
        )

    def _position_settings(self) -> dict[str, Any]:
        settings: dict[str, Any] = {}
        if self.base is not None:
            if not 0 < self.base < math.inf:
                raise ConfigError(f"base is {self.base}; give a finite number above 0")
            settings["base"] = self.base
        if self.scaling is not None:
            settings["scaling"] = self._scaling()
        elif self.scaling_factor is not None:
            raise ConfigError(
                f"scaling_factor is {self.scaling_factor}, but no scaling is named; give one"
            )
        return settings

    def _scaling(self) -> dict[str, Any]:
        """As checkpoints tell it; see `rowspace.position.scaling_from`."""
        if self.scaling not in SCALINGS:
            raise ConfigError(
                f"scaling is {self.scaling!r}; give one of {', '.join(SCALINGS)}, or none"
            )
        if self.scaling_factor is None:
            raise ConfigError(
                f"scaling is {self.scaling!r}, but no scaling_factor is given; give 1 or more, by "
                "how much RoPE is stretched"
            )
        if not 1 <= self.scaling_factor < math.inf:
            raise ConfigError(f"scaling_factor is {self.scaling_factor}; give 1 or more")
        return {
            "rope_type": self.scaling,
            "factor": self.scaling_factor,
            "original_max_position_embeddings": self.max_length,
        }

    def n_steps(self, n_tokens: int) -> int:
        """Steps to take on a text of `n_tokens`."""
        if self.epochs is None:
            return self.steps or DEFAULT_STEPS
        return max(1, round(self.epochs * n_tokens / self.tokens_per_step))

    @property
    def lowest_learning_rate(self) -> float:
        """The learning rate of the last step."""
        if self.min_learning_rate is None:
            return self.learning_rate / 10
        return self.min_learning_rate

    @property
    def tokens_per_step(self) -> int:
        """Tokens that one step goes through."""
        return self.batch_size * self.max_length

    @property
    def threads(self) -> int:
        """Number of threads to use here."""
        return self.n_threads or n_own_cores()

    def as_dict(self) -> dict[str, Any]:
        """The settings by name."""
        return dataclasses.asdict(self)

    def without_machine(self) -> dict[str, Any]:
        """What decides the result but for rounding: the settings without threads and device."""
        settings = self.as_dict()
        del settings["n_threads"], settings["device"]
        return settings


_MODEL_FIELDS = (
    "dim", "n_layers", "n_heads", "n_kv_heads", "head_dim", "hidden_dim", "max_length", "position",
    "norm", "activation", "bias", "dropout", "is_tied", "sparse",
)  # fmt: skip
