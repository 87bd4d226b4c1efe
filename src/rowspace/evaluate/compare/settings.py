"""How much of each task a comparison scores."""

from __future__ import annotations

from dataclasses import dataclass, fields

from rowspace.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class CompareSettings:
    """What is scored of each task, so that a small transformer takes minutes on two cores.

    Retrieval, pairs of sentences with a score, and words are scored whole, so that their numbers
    are those that others publish. Of the rest a part is taken, the same for every model: about as
    many of each label as its share, chosen by a hash. `None` takes all.
    """

    k: int = 10
    """Results of each query that count in retrieval."""

    n_labelled_pairs: int | None = 1_000
    """Pairs of sentences labelled 1 or 0."""

    n_train: int | None = 1_000
    """Texts that a classifier learns from."""

    n_test: int | None = 1_000
    """Texts that it is tried on."""

    n_clustered: int | None = 1_000
    """Texts that are clustered: of those that a classifier is tried on."""

    n_examples: int = 10
    """Labelled examples of each sense of a word."""

    n_occurrences: int | None = 50
    """Occurrences of each word whose sense is told."""

    n_word_pairs: int | None = 500
    """Pairs of Word-in-Context."""

    seed: int = 0
    """Of what is drawn: splits, parts, examples, starts of k-means."""

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name != "seed" and value is not None and value < 1:
                raise ConfigError(f"{field.name} is {value}, so nothing is scored; give 1 or more")
