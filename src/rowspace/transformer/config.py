"""What a transformer is made of, saved beside its weights as `config.json`."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass, field
from typing import Any

from rowspace.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class TransformerConfig:
    """Settings of a `LanguageModel` or an `Encoder`.

    The defaults make a small modern decoder: RoPE, RMSNorm before each part, SwiGLU, no biases.
    GPT-2, LLaMA, Mistral, Qwen2 and BERT are each a choice of these; see `transformer.weights`.
    """

    vocab_size: int
    """Tokens that can be read and predicted."""
    dim: int = 256
    """Length of a token's vector."""
    n_layers: int = 4
    n_heads: int = 4
    n_kv_heads: int | None = None
    """Heads of keys and values; n_heads if not given."""
    head_dim: int | None = None
    """dim / n_heads if not given."""
    hidden_dim: int | None = None
    """Inner width of the feed-forward part; 4 dim if not given, 8/3 dim for SwiGLU, whose three
    matrices then weigh as much as two."""
    max_length: int = 1024
    """Tokens of a text in training; also the rows of a learned position's table."""
    position: str = "rope"
    """A name in `rowspace.position.POSITIONS`."""
    position_settings: dict[str, Any] = field(default_factory=dict)
    """What the position takes besides: base, rotary_dim, scaling, precision. A scaling is given as
    in a `config.json`, such as {"rope_type": "linear", "factor": 4}."""
    norm: str = "rms"
    norm_eps: float = 1e-5
    norm_order: str = "pre"
    activation: str = "swiglu"
    bias: bool = False
    """Whether linear layers have a bias."""
    qkv_bias: bool | None = None
    """The same of queries, keys and values alone; `bias` if not given."""
    out_bias: bool | None = None
    """The same of what attention gives; `bias` if not given."""
    dropout: float = 0.0
    attention_dropout: float = 0.0
    window: int | None = None
    """A token sees those less than this far away, itself included; None for all."""
    attention_scale: float | None = None
    """Scores are multiplied by this; 1/√head_dim if not given, 1 for T5."""
    is_tied: bool = True
    """Whether the head's matrix is the embedding's (Press & Wolf 2017)."""
    embedding_norm: bool = False
    """Whether a norm follows the embedding (BERT)."""
    n_token_types: int = 0
    """Kinds of token beside words (BERT's two sentences); 0 for none."""
    padding_id: int | None = None
    row_multiple: int = 1
    """The table has a multiple of this many rows; those that no token has are never predicted."""
    sparse: bool = False
    """Whether reading gives the token table a sparse gradient; see `TokenEmbedding`. Only for an
    untied one."""
    init_std: float = 0.02

    def __post_init__(self) -> None:
        for name in _COUNTS:
            self._check_count(name)
        for name in _OPTIONAL_COUNTS:
            if getattr(self, name) is not None:
                self._check_count(name)
        if self.n_token_types:
            self._check_count("n_token_types")
        for name in ("dropout", "attention_dropout"):
            self._check_number(name, 0, 1)
        for name in ("norm_eps", "init_std"):
            self._check_number(name, 0, math.inf)
        if not isinstance(self.position_settings, dict):
            raise ConfigError(
                f"position_settings are {self.position_settings!r}; give them by name, in a dict"
            )
        if self.sparse and self.is_tied:
            raise ConfigError(
                "sparse is True and is_tied too, but softmax gives every row of a tied table a "
                "gradient; give is_tied=False, or leave sparse out"
            )
        check_heads(self.dim, self.n_heads, self.n_kv_heads or self.n_heads, self.head_dim)

    def _check_count(self, name: str) -> None:
        value = getattr(self, name)
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise ConfigError(f"{name} is {value!r}; give a whole number, 1 or more")

    def _check_number(self, name: str, low: float, end: float) -> None:
        value = getattr(self, name)
        if not isinstance(value, int | float) or not low <= value < end:  # also NaN
            less = "" if end == math.inf else f", less than {end}"
            raise ConfigError(f"{name} is {value!r}; give {low} or more{less}")

    @property
    def inner_dim(self) -> int:
        """Inner width of the feed-forward part."""
        if self.hidden_dim is not None:
            return self.hidden_dim
        if self.activation == "swiglu":
            return -(-8 * self.dim // 3 // 16) * 16
        return 4 * self.dim

    @property
    def width_of_heads(self) -> int:
        """Length of one head's vector."""
        return self.head_dim or self.dim // self.n_heads

    @property
    def has_qkv_bias(self) -> bool:
        """Whether queries, keys and values have a bias."""
        return self.bias if self.qkv_bias is None else self.qkv_bias

    @property
    def has_out_bias(self) -> bool:
        """Whether what attention gives has a bias."""
        return self.bias if self.out_bias is None else self.out_bias

    def as_dict(self) -> dict[str, Any]:
        """The settings by name."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, settings: dict[str, Any]) -> TransformerConfig:
        """The settings that `as_dict` gave.

        Raises
        ------
        ConfigError
            If a name is unknown, as in a file of a newer Rowspace.
        """
        known = {field.name for field in dataclasses.fields(cls)}
        if unknown := sorted(settings.keys() - known):
            raise ConfigError(
                f"unknown settings {', '.join(unknown)}; known are {', '.join(sorted(known))}"
            )
        if "vocab_size" not in settings:
            raise ConfigError("vocab_size is not given; give the tokens of the tokenizer")
        return cls(**settings)


_COUNTS = ("vocab_size", "dim", "n_layers", "n_heads", "max_length", "row_multiple")
_OPTIONAL_COUNTS = ("n_kv_heads", "head_dim", "hidden_dim", "window")


def config_of(config: TransformerConfig | None, settings: dict[str, Any]) -> TransformerConfig:
    """The config that was given, or one of these settings.

    Raises
    ------
    ConfigError
        If both were given, or a setting cannot work.
    """
    if config is None:
        return TransformerConfig.from_dict(settings)
    if settings:
        raise ConfigError(
            f"a config is given and {', '.join(settings)} too; give one, or the config changed by "
            "dataclasses.replace"
        )
    return config


def check_heads(dim: int, n_heads: int, n_kv_heads: int, head_dim: int | None) -> None:
    """Raise ConfigError for heads that do not fit the width, or groups that do not fit them."""
    if n_heads < 1 or n_kv_heads < 1:
        raise ConfigError(f"n_heads is {n_heads} and n_kv_heads {n_kv_heads}; give 1 or more")
    if head_dim is None and dim % n_heads:
        raise ConfigError(
            f"dim is {dim}, which {n_heads} heads do not divide; give a multiple of {n_heads}, "
            "other heads, or head_dim"
        )
    if n_heads % n_kv_heads:
        raise ConfigError(
            f"n_heads is {n_heads} and n_kv_heads {n_kv_heads}: each head of keys serves a whole "
            "number of heads of queries; give a divisor of n_heads"
        )
