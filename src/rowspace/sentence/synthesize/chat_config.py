"""Settings of the pairs that a language model writes."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from rowspace.errors import ConfigError

GROUPS = ("short-long", "long-short", "short-short", "long-long")
"""Lengths of the query and of the document, as in E5-mistral."""
GROUNDED = "grounded"
"""Queries to the passages of a corpus."""


@dataclass(frozen=True, kw_only=True)
class ChatConfig:
    """Settings of `synthesize`."""

    model: str
    """Its name at the endpoint."""
    n: int = 1000
    """Examples wanted."""
    kinds: tuple[str, ...] = GROUPS
    """Groups of tasks; with a corpus, only `grounded`."""
    languages: tuple[str, ...] = ("English",)
    """One of these is drawn for each example, not for passages of a corpus."""
    temperature: float = 1.0
    seed: int = 1
    """Of what is drawn; what the model makes of it is its own."""
    examples_per_task: int = 10
    """So many tasks are thought up that each is used about so often."""
    max_words: int = 120
    """Of a passage of the corpus."""
    min_words: int = 12
    n_concurrent: int = 4
    """Requests on their way at the same time."""
    input_price: float | None = None
    """Of a million tokens that are sent."""
    output_price: float | None = None
    """Of a million tokens that are received."""
    max_cost: float | None = None
    """Send nothing that may cost more than this in all, with the runs that were gone on with."""

    def __post_init__(self) -> None:
        allowed = (GROUNDED,) if GROUNDED in self.kinds else GROUPS
        if unknown := [kind for kind in self.kinds if kind not in allowed]:
            raise ConfigError(
                f"kind {unknown[0]!r} cannot be had of a model; give some of {', '.join(GROUPS)}, "
                f"or with a corpus {GROUNDED}"
            )
        if not self.kinds or not self.languages:
            raise ConfigError("kinds or languages is empty; give one or more")
        for name in ("n", "examples_per_task", "n_concurrent", "min_words"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} is {getattr(self, name)}; give 1 or more")
        if self.max_words < self.min_words:
            raise ConfigError(f"max_words is {self.max_words}; give min_words or more")
        for name in ("temperature", "input_price", "output_price", "max_cost"):
            value = getattr(self, name)
            if value is not None and not 0 <= value < float("inf"):
                raise ConfigError(f"{name} is {value}; give 0 or more")
        if self.max_cost is not None and not self.has_prices:
            raise ConfigError(
                "max_cost needs prices; give those of a million tokens in and out "
                "(--input-price, --output-price)"
            )

    @property
    def has_prices(self) -> bool:
        """Whether a cost can be told."""
        return self.input_price is not None and self.output_price is not None

    def cost(self, input_tokens: float, output_tokens: float) -> float | None:
        """Of so many tokens; None without prices."""
        if self.input_price is None or self.output_price is None:
            return None
        return (input_tokens * self.input_price + output_tokens * self.output_price) / 1e6

    def identity(self) -> dict[str, Any]:
        """What must be the same for a run to be gone on with; `n` may grow."""
        free = ("n", "n_concurrent", "input_price", "output_price", "max_cost")
        fields = dataclasses.asdict(self)
        return {name: value for name, value in fields.items() if name not in free}
