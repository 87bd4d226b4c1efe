"""What the extrapolation experiment trains, and at which lengths it measures."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from rowspace.errors import ConfigError
from rowspace.transformer.pretrain_config import PretrainConfig

POSITIONS = ("none", "learned", "sinusoidal", "rope", "xpos", "alibi", "t5")
SCALINGS = ("linear", "ntk", "dynamic", "yarn")
UNSCALED = "none"
_COUNTS = (
    "seeds",
    "steps",
    "batch_size",
    "vocab_size",
    "eval_tokens",
    "finetune_length",
    "stride",
    "n_threads",
)


@dataclass(frozen=True, kw_only=True)
class ExtrapolationConfig:
    """Settings of `extrapolate`; all but `positions` is the same for every method.

    YaRN's borders are counted in turns within the training length. With 32 values a head and base
    10,000, only 6 of 16 pairs turn even once in 128 tokens, and none 32 times, which is where
    YaRN's authors put the border for LLaMA's 2,048. See docs/guide/position.md for how these were
    chosen.
    """

    positions: tuple[str, ...] = POSITIONS
    train_length: int = 128
    """Tokens of a text in training."""
    eval_lengths: tuple[int, ...] = (128, 256, 512, 1024, 2048)
    """Tokens of a window that is read at once."""
    seeds: int = 3
    """Models of each method, from different random numbers."""
    eval_tokens: int = 65_536
    """Held-out tokens to measure on, at most."""
    stride: int | None = None
    """Tokens from one sliding window to the next; a quarter of `train_length` if not given."""
    scalings: tuple[str, ...] = SCALINGS
    """Of RoPE, tried on the trained model as it is."""
    finetune_scalings: tuple[str, ...] = ("yarn", "linear", UNSCALED)
    """Of RoPE, with which training goes on at a longer length; `none` goes on without."""
    finetune_share: float = 0.1
    """Steps of that, as a share of `steps`."""
    finetune_length: int | None = None
    """Tokens of a text in that; the longest of `eval_lengths` if not given."""
    base: float = 10_000.0
    """Of RoPE, xPos and sinusoidal positions."""
    beta_fast: float = 8.0
    """Of YaRN: turns within `train_length` from which a pair stays as it is."""
    beta_slow: float = 0.5
    """Of YaRN: turns up to which a pair is interpolated."""
    dynamic_factor: float = 8.0
    """Of dynamic NTK; 1 would be NTK by what the text needs."""
    dim: int = 64
    n_layers: int = 4
    n_heads: int = 4
    """Few heads have few of ALiBi's slopes: two have 1/16 and 1/256, none steep enough to single
    out the token just before."""
    head_dim: int | None = 32
    """dim / n_heads if None, which would leave RoPE too few pairs to tell scalings apart."""
    vocab_size: int = 1024
    """Tokens of the tokenizer, which is learned from the text. They are few, so that a small model
    learns to use its context in minutes: until it does, nothing there can confuse it."""
    batch_size: int = 16
    """Texts of one step in training; fewer where they are longer."""
    steps: int = 1200
    learning_rate: float = 4e-3
    held_out: float = 0.05
    """Share of the text that nothing is learned from."""
    precision: str = "auto"
    n_threads: int | None = None
    device: str | None = None

    def __post_init__(self) -> None:
        for name in _COUNTS:
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ConfigError(f"{name} is {value}; give 1 or more")
        _check_names("positions", self.positions, POSITIONS)
        _check_names("scalings", self.scalings, SCALINGS)
        _check_names("finetune_scalings", self.finetune_scalings, (*SCALINGS, UNSCALED))
        if not self.positions:
            raise ConfigError("positions is empty, so there is nothing to train; give one or more")
        self._check_lengths()
        if not 0 <= self.finetune_share <= 1:
            raise ConfigError(
                f"finetune_share is {self.finetune_share}; give a share from 0 (none) to 1"
            )
        if not 0 < self.held_out <= 0.5:
            raise ConfigError(
                f"held_out is {self.held_out}, and losses are measured on it; give more than 0, "
                "at most 0.5"
            )
        if not self.base > 0:
            raise ConfigError(f"base is {self.base}; give more than 0")
        if not self.beta_fast > self.beta_slow > 0:
            raise ConfigError(
                f"beta_fast is {self.beta_fast} and beta_slow {self.beta_slow}; give the first "
                "more than the second, and both more than 0"
            )
        self.training(self.positions[0], 1)  # it checks its own part

    def _check_lengths(self) -> None:
        if not self.eval_lengths:
            raise ConfigError("eval_lengths is empty; give one or more")
        for length in self.eval_lengths:
            if length < self.train_length:
                raise ConfigError(
                    f"eval_lengths has {length}, below train_length, {self.train_length}; "
                    "windows shorter than that tell nothing of longer texts: leave it out"
                )
        if self.sliding_stride > self.train_length:
            raise ConfigError(
                f"stride is {self.stride}, beyond train_length, {self.train_length}, so that "
                f"tokens would be left out; give {self.train_length} or less"
            )

    @property
    def lengths(self) -> tuple[int, ...]:
        """Those to measure at, `train_length` first."""
        return tuple(sorted({self.train_length, *self.eval_lengths}))

    @property
    def longest(self) -> int:
        """The longest window."""
        return self.lengths[-1]

    @property
    def sliding_stride(self) -> int:
        """Tokens from one sliding window to the next."""
        return self.stride or max(1, self.train_length // 4)

    @property
    def tuned_length(self) -> int:
        """Tokens of a text when training goes on."""
        return self.finetune_length or self.longest

    @property
    def tuned_steps(self) -> int:
        """Steps for which training goes on; 0 for none."""
        return round(self.finetune_share * self.steps)

    @property
    def tuned_batch_size(self) -> int:
        """Texts of one step then: as many tokens as before, but two texts at least."""
        return max(2, self.batch_size * self.train_length // self.tuned_length)

    def training(self, position: str, seed: int) -> PretrainConfig:
        """What one model is trained with."""
        return PretrainConfig(
            position=position,
            seed=seed,
            max_length=self.train_length,
            base=self.base if position in ("rope", "xpos", "sinusoidal") else None,
            batch_size=self.batch_size,
            steps=self.steps,
            learning_rate=self.learning_rate,
            min_learning_rate=self.learning_rate / 10,
            warmup=max(1, self.steps // 20),
            evaluate_every=0,
            held_out=0.0,
            row_record=False,
            **{name: getattr(self, name) for name in _PASSED_ON},
        )

    def text_settings(self) -> PretrainConfig:
        """What the text is read with, for all models."""
        return dataclasses.replace(self.training(self.positions[0], 1), held_out=self.held_out)

    def finetuning(self, position: str, seed: int) -> PretrainConfig:
        """What training goes on with at `tuned_length`: smaller steps, of as many tokens."""
        return dataclasses.replace(
            self.training(position, seed),
            max_length=self.tuned_length,
            batch_size=self.tuned_batch_size,
            steps=max(1, self.tuned_steps),
            learning_rate=self.learning_rate * 0.3,
            warmup=max(1, self.tuned_steps // 10),
            seed=seed + 1_000_000,  # texts that begin elsewhere
        )

    def without_machine(self) -> dict[str, Any]:
        """What decides the result but for rounding: the settings without threads and device."""
        settings = dataclasses.asdict(self)
        del settings["n_threads"], settings["device"]
        return settings


_PASSED_ON = (
    "dim",
    "n_layers",
    "n_heads",
    "head_dim",
    "vocab_size",
    "precision",
    "n_threads",
    "device",
)


def _check_names(setting: str, names: tuple[str, ...], known: tuple[str, ...]) -> None:
    for name in names:
        if name not in known:
            raise ConfigError(
                f"{setting} has {name!r}, which is not known; known are: {', '.join(known)}"
            )
        if names.count(name) > 1:
            raise ConfigError(f"{setting} has {name!r} more than once; give it once")
