"""The senses of a word as one HTML page that needs nothing else, and as a record for programs."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np

from rowspace.space.pages import page_template
from rowspace.space.projection import coordinates
from rowspace.space.similarity import Doubles, unit_rows
from rowspace.space.wordmap import MAP_HEIGHT, MAP_WIDTH, fit_in_frame
from rowspace.transformer.senses.excerpt import Excerpt, cut_around
from rowspace.transformer.senses.find import FEWEST, LEAST_EXCESS, Sense, Senses
from rowspace.version import __version__

N_DOUBTFUL = 12
_WIDTH = 260
_MIN_TAGGED = 3


@dataclass(frozen=True)
class Dot:
    """One occurrence on the map."""

    x: float
    y: float
    sense: int
    excerpt: Excerpt


@dataclass(frozen=True)
class SenseMap:
    """Occurrences near others like them."""

    dots: list[Dot]
    tags: list[tuple[float, float, int]]
    """(x, y, sense) in the middle of each sense."""
    method: str
    width: float = MAP_WIDTH
    height: float = MAP_HEIGHT

    def data(self) -> list[list[str]]:
        """What the page's script needs of each dot."""
        return [[dot.excerpt.before, dot.excerpt.word, dot.excerpt.after] for dot in self.dots]


def draw_senses(senses: Senses) -> SenseMap:
    """Place the occurrences; the same on every run."""
    units = unit_rows(senses.vectors)
    flat, method = coordinates(unit_rows(units - units.mean(axis=0)))
    places = fit_in_frame(flat, MAP_WIDTH, MAP_HEIGHT, margin=30.0)
    dots = [
        Dot(x, y, int(sense), _excerpt(senses, row))
        for row, ((x, y), sense) in enumerate(zip(places.tolist(), senses.assignments, strict=True))
    ]
    return SenseMap(dots, _tags(senses, places), method)


def _tags(senses: Senses, places: Doubles) -> list[tuple[float, float, int]]:
    tags = []
    for sense in range(len(senses)):
        own = places[senses.assignments == sense]
        if len(senses) > 1 and len(own) >= _MIN_TAGGED:
            x, y = np.median(own, axis=0).tolist()
            tags.append((x, y, sense))
    return tags


def _excerpt(senses: Senses, row: int, width: int = _WIDTH) -> Excerpt:
    return cut_around(senses.found.sentences[row], senses.found.spans[row], width)


def render_senses(senses: Senses, model: str, made: datetime) -> str:
    """The page as text.

    Parameters
    ----------
    senses : Senses
    model : str
        What the model is called.
    made : datetime
    """
    return page_template("rowspace.transformer", "senses.html").render(
        name=senses.word,
        model=model,
        senses=senses,
        headings=[heading(senses, sense) for sense in senses.senses],
        typical=[[_excerpt(senses, row) for row in sense.typical] for sense in senses.senses],
        doubtful=[
            (_excerpt(senses, row), int(senses.assignments[row]), float(senses.margins[row]))
            for row in doubtful_rows(senses)
        ],
        reason=reason(senses),
        drawn=draw_senses(senses),
        map=None,
        version=__version__,
        made=made,
    )


def doubtful_rows(senses: Senses) -> list[int]:
    """Occurrences to show as doubtful; none where there is one sense."""
    return senses.doubtful(N_DOUBTFUL) if len(senses) > 1 else []


def heading(senses: Senses, sense: Sense) -> str:
    """What a sense is called: its number, or the name that the examples give it."""
    if senses.n_examples:
        return sense.name
    return "The one sense" if len(senses) == 1 else f"Sense {sense.name}"


def reason(senses: Senses) -> str:
    """Why there are so many senses, in a sentence."""
    separation = senses.separation
    if senses.n_examples:
        return f"The senses are those of {_counted(senses.n_examples, 'labelled example')}."
    if separation is None and len(senses.vectors) < FEWEST and len(senses) == 1:
        return "Too few occurrences to tell senses apart."
    if separation is None:
        if senses.silhouette is None:
            return "The number of senses was given."
        return (
            "The number of senses was given; how far they are apart (silhouette, 0 not at all, 1 "
            f"entirely): {senses.silhouette:.2f}."
        )
    clouds, error = float(separation.clouds.mean()), separation.error
    figures = (
        f"silhouette {separation.clustering.silhouette:.3f}, and clouds without groups have "
        f"{clouds:.3f} ± {error:.3f}"
    )
    if len(senses) == 1:
        needed = clouds + error + LEAST_EXCESS
        return f"One sense: the best groups have {figures}; {needed:.3f} would tell senses."
    return f"Of 1 to {max(separation.clustering.tried)} senses tried: {figures}."


def _counted(n: int, noun: str) -> str:
    return f"{n:,} {noun}" if n == 1 else f"{n:,} {noun}s"


def to_record(senses: Senses) -> dict[str, Any]:
    """All there is to know, as JSON can hold it."""
    found, separation = senses.found, senses.separation
    return {
        "word": senses.word,
        "n_sentences": found.n_sentences,
        "n_occurrences": found.n_occurrences,
        "n_repeated": found.n_repeated,
        "n_read": len(senses.vectors),
        "n_examples": senses.n_examples,
        "layers": list(senses.layers),
        "silhouette": senses.silhouette,
        "best_silhouette": None if separation is None else separation.clustering.silhouette,
        "cloud_silhouettes": None if separation is None else separation.clouds.tolist(),
        "tried": None if separation is None else separation.clustering.tried,
        "senses": [
            {
                "name": sense.name,
                "size": sense.size,
                "share": sense.share,
                "typical": sense.typical,
                "around": [{"word": word, "z": z} for word, z in sense.around],
                "near": [{"word": word, "cosine": cosine} for word, cosine in sense.near],
            }
            for sense in senses.senses
        ],
        "occurrences": [
            {
                "sentence": sentence,
                "start": start,
                "end": end,
                "sense": senses.senses[sense].name,
                "margin": margin,
            }
            for sentence, (start, end), sense, margin in zip(
                found.sentences,
                found.spans,
                senses.assignments.tolist(),
                senses.margins.tolist(),
                strict=True,
            )
        ],
        "doubtful": doubtful_rows(senses),
    }
