"""The settings by which a trainer joins phrases before it trains."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from rowspace.errors import ConfigError
from rowspace.text.phrases import PhrasesConfig, connectors_of


@dataclass(frozen=True, kw_only=True)
class PhraseSettings:
    """Which words are joined to phrases: see `text.phrases.PhrasesConfig`."""

    phrases: int = 0
    """Passes that join pairs of words which stand together often (new_york); each may join what
    the one before has joined. 0 joins none."""
    phrase_score: str = "original"
    """`original`, as in gensim, `word2phrase`, as in word2phrase.c, or `npmi`."""
    phrase_threshold: float | None = None
    """A pair is joined if its score is above; None takes the score's usual one: 10, 100 or 0.5."""
    phrase_min_count: int = 5
    """A pair that occurs less often is not joined."""
    phrase_connectors: str = ""
    """Words that may stand inside a phrase: `english` for its articles, prepositions, and and or,
    or words with spaces between."""

    def phrases_config(self) -> PhrasesConfig | None:
        """The part that finds phrases; None where there are to be none."""
        if self.phrases < 0:
            raise ConfigError(f"phrases is {self.phrases}; give 0 (none) or more passes")
        if self.phrases == 0:
            self._check_unused()
            return None
        return PhrasesConfig(
            passes=self.phrases,
            score=self.phrase_score,
            threshold=self.phrase_threshold,
            min_count=self.phrase_min_count,
            connectors=connectors_of(self.phrase_connectors),
        )

    def _check_unused(self) -> None:
        for field in dataclasses.fields(PhraseSettings):
            value = getattr(self, field.name)
            if value != field.default:
                raise ConfigError(
                    f"{field.name} is {value!r}, but phrases is 0, so that none are found; give "
                    "phrases 1 or more"
                )


def settings_of(config_class: type[Any]) -> list[dataclasses.Field[Any]]:
    """The fields of a config, those of phrases last, though they are inherited."""
    of_phrases = {field.name for field in dataclasses.fields(PhraseSettings)}
    return sorted(dataclasses.fields(config_class), key=lambda field: field.name in of_phrases)
