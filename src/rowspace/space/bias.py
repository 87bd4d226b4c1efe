"""Directions such as she - he: how words lie along one, taking it out, and testing sets of words.

Bolukbasi et al. (2016), https://arxiv.org/abs/1607.06520: the direction, and hard debiasing.
Caliskan, Bryson & Narayanan (2017), https://arxiv.org/abs/1608.07187: WEAT.
Gonen & Goldberg (2019), https://aclanthology.org/N19-1061: what hard debiasing leaves behind. The
words' neighbours still tell the bias, so a projection of 0 is no proof of its absence.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from rowspace.errors import ConfigError
from rowspace.space.sample import directions, rows_of
from rowspace.space.similarity import Doubles, unit_rows
from rowspace.space.transforms import remade
from rowspace.space.vectors import Vectors

Pairs = Sequence[tuple[str, str]]

MAX_EXACT = 100_000
"""Partitions up to which WEAT's test counts all of them."""


@dataclass(frozen=True)
class BiasDirection:
    """A direction that pairs of words differ in."""

    vector: Doubles
    """(dim,), of length 1; the first words of the pairs lie on its positive side."""
    share: float
    """Share of the pairs' differences along it, in [0, 1]: low where the pairs do not agree."""
    pairs: list[tuple[str, str]]


@dataclass(frozen=True)
class WeatResult:
    """How two sets of target words differ in their nearness to two sets of attributes."""

    effect_size: float
    """In standard deviations, from -2 to 2; positive where the first targets are nearer to the
    first attributes."""
    p_value: float
    """Of a difference this large or larger if the targets were shuffled; one-sided."""
    statistic: float
    """The sum that is tested."""
    is_exact: bool
    """Whether all partitions of the targets were counted, or a sample."""


def parse_pairs(text: str) -> list[tuple[str, str]]:
    """Pairs of words from "he:she, man:woman"; lines count as commas, # starts a comment.

    Raises
    ------
    ConfigError
        If something is no pair, or there is none.

    Examples
    --------
    >>> parse_pairs("he:she, man:woman")
    [('he', 'she'), ('man', 'woman')]
    """
    lines = [line.partition("#")[0] for line in text.splitlines()]
    items = [item.strip() for line in lines for item in line.split(",") if item.strip()]
    pairs = []
    for item in items:
        words = item.split(":") if ":" in item else item.split()
        if len(words) != 2 or not all(word.strip() for word in words):
            raise ConfigError(f"{item!r} is not a pair of words; give pairs as he:she,man:woman")
        pairs.append((words[0].strip(), words[1].strip()))
    if not pairs:
        raise ConfigError("there are no pairs of words; give some as he:she,man:woman")
    return pairs


def bias_direction(vectors: Vectors, pairs: Pairs) -> BiasDirection:
    """The direction in which the pairs differ: the first principal axis of their differences.

    Bolukbasi et al. (2016), section 5.1: PCA of the unit vectors of each pair around its middle.

    Parameters
    ----------
    vectors : Vectors
    pairs : sequence of (str, str)
        Such as ("he", "she"), all in the same order.

    Raises
    ------
    VocabularyError
        If a word is unknown.
    ConfigError
        If there are no pairs, the two words of each are the same, or one is a zero vector.

    Examples
    --------
    >>> vectors = Vectors(["he", "she", "x"], [[1, 1], [-1, 1], [1, 0]])
    >>> bias_direction(vectors, [("he", "she")]).vector.round(6).tolist()
    [1.0, 0.0]
    """
    if not pairs:
        raise ConfigError("a direction needs pairs of words; give some as he:she,man:woman")
    firsts = _units(vectors, [first for first, _ in pairs])
    halves = (firsts - _units(vectors, [second for _, second in pairs])) / 2  # from the middle
    _, singular, axes = np.linalg.svd(halves, full_matrices=False)
    if not singular[0] > 1e-12:
        raise ConfigError(f"the words of {pairs[0]} have the same vector; give other pairs")
    toward_first = float((halves @ axes[0]).sum())
    vector = axes[0] if toward_first >= 0 else -axes[0]
    share = float(singular[0] ** 2 / (singular @ singular))
    return BiasDirection(vector, share, [(first, second) for first, second in pairs])


def projections(vectors: Vectors, direction: Doubles, keys: Sequence[str] | None = None) -> Doubles:
    """Cosine of each key's vector with the direction, (n,), all keys by default; 0 for a zero one.

    Raises
    ------
    ConfigError
        If the direction has another dimension, or is zero.
    VocabularyError
        If a key is unknown.
    """
    unit = _direction(vectors, direction)
    matrix = vectors.matrix if keys is None else vectors[list(keys)]
    return np.clip(unit_rows(matrix) @ unit, -1, 1)


def neutralize(vectors: Vectors, direction: Doubles, keys: Iterable[str] | None = None) -> Vectors:
    """Take the direction out of the given words, all by default (Bolukbasi et al. 2016, step 2a).

    Returns
    -------
    Vectors
        Unit vectors, as in the paper; the neutralised ones are orthogonal to the direction.

    Raises
    ------
    VocabularyError, ConfigError
        As `projections`; and if a word is nothing but the direction.
    """
    unit = _direction(vectors, direction)
    rows = np.arange(len(vectors)) if keys is None else rows_of(vectors, keys)
    units = unit_rows(vectors.matrix)
    cleaned = units[rows] - np.outer(units[rows] @ unit, unit)
    lengths = np.sqrt(np.einsum("nd,nd->n", cleaned, cleaned))
    gone = rows[(lengths < 1e-6) & (vectors.norms[rows] > 0)]
    if len(gone):
        key = vectors.index_to_key[gone[0]]
        raise ConfigError(f"{key!r} lies along the direction, so nothing is left of it; leave it")
    units[rows] = unit_rows(cleaned)
    return remade(vectors, units.astype(np.float32), "neutralized")


def equalize(vectors: Vectors, direction: Doubles, sets: Iterable[Sequence[str]]) -> Vectors:
    """Make the words of each set differ along the direction only (Bolukbasi et al. 2016, step 2b).

    With μ the mean of a set and ν the part of μ orthogonal to the direction, each word becomes
    `ν + √(1 - |ν|²) (w_B - μ_B) / |w_B - μ_B|`, B being the direction. So every neutralised word is
    as near to one word of a set as to another.

    Raises
    ------
    VocabularyError, ConfigError
        As `projections`; and if a set's words do not differ along the direction.
    """
    unit = _direction(vectors, direction)
    units = unit_rows(vectors.matrix)
    for keys in sets:
        rows = rows_of(vectors, keys)
        along = units[rows] @ unit
        spread = along - along.mean()
        if (np.abs(spread) < 1e-12).any():
            raise ConfigError(f"{', '.join(map(repr, keys))} do not differ along the direction")
        mean = units[rows].mean(axis=0)
        shared = mean - (mean @ unit) * unit
        height = math.sqrt(max(0.0, 1 - float(shared @ shared)))
        units[rows] = shared + height * np.outer(np.sign(spread), unit)
    return remade(vectors, units.astype(np.float32), "equalized")


def hard_debias(
    vectors: Vectors, pairs: Pairs, keep: Iterable[str] = (), equal: Pairs | None = None
) -> Vectors:
    """Take the pairs' direction out of every word, and make the pairs differ in it alone.

    Bolukbasi et al. (2016), section 6. See the module's last reference for what this cannot do.

    Parameters
    ----------
    vectors : Vectors
    pairs : sequence of (str, str)
        They define the direction.
    keep : iterable of str
        Words that rightly have the direction (father, queen); the pairs need not be named.
    equal : sequence of (str, str), optional
        Pairs to equalise, `pairs` by default.

    Raises
    ------
    VocabularyError, ConfigError
        As `bias_direction` and `equalize`.
    """
    direction = bias_direction(vectors, pairs).vector
    equal = pairs if equal is None else equal
    kept = {*keep, *itertools.chain(*pairs, *equal)}
    neutral = [key for key in vectors if key not in kept]
    return equalize(neutralize(vectors, direction, neutral), direction, equal)


def weat(
    vectors: Vectors,
    targets: tuple[Sequence[str], Sequence[str]],
    attributes: tuple[Sequence[str], Sequence[str]],
    *,
    n_samples: int = 10_000,
    seed: int = 0,
) -> WeatResult:
    """Word Embedding Association Test (Caliskan et al. 2017).

    A word's association is its mean cosine with the first attributes less that with the second.
    The effect size is the difference of the targets' mean associations in standard deviations of
    all of them (n - 1 in the denominator, as in SEAT, May et al. 2019). The p-value counts
    partitions of the targets into two sets of the same sizes with as large a sum or larger, the
    one at hand among them, so it is never 0.

    Parameters
    ----------
    vectors : Vectors
    targets : (X, Y)
        Two sets of words, such as flowers and insects.
    attributes : (A, B)
        Two sets of words, such as pleasant and unpleasant ones.
    n_samples : int
        Random partitions tried where there are more than `MAX_EXACT`.
    seed : int

    Raises
    ------
    VocabularyError
        If a word is unknown.
    ConfigError
        If a set is empty, the targets overlap, or their associations do not differ at all.
    """
    x, y = targets
    if not (x and y and attributes[0] and attributes[1]):
        raise ConfigError("WEAT has an empty set of words; give two target and two attribute sets")
    both = set(x) & set(y)
    if both:
        raise ConfigError(f"{sorted(both)[0]!r} is in both target sets; give it to one")
    values = _associations(vectors, [*x, *y], *attributes)
    deviation = float(values.std(ddof=1))
    if not deviation > 1e-12:
        raise ConfigError("all targets are associated alike, so no effect can be scaled")
    first, second = values[: len(x)], values[len(x) :]
    sums, is_exact = _partition_sums(values, len(x), n_samples, seed)
    tolerance = 1e-12 * float(np.abs(values).sum())
    at_least = int((sums >= first.sum() - tolerance).sum())
    p_value = at_least / len(sums) if is_exact else (at_least + 1) / (len(sums) + 1)
    return WeatResult(
        effect_size=float(first.mean() - second.mean()) / deviation,
        p_value=p_value,
        statistic=float(first.sum() - second.sum()),
        is_exact=is_exact,
    )


def _associations(
    vectors: Vectors, words: Sequence[str], a: Sequence[str], b: Sequence[str]
) -> Doubles:
    """s(w, A, B) of each word, (n,)."""
    units = _units(vectors, words)
    means = [_units(vectors, attributes).mean(axis=0) for attributes in (a, b)]
    values: Doubles = units @ (means[0] - means[1])
    return values


def _partition_sums(values: Doubles, n: int, n_samples: int, seed: int) -> tuple[Doubles, bool]:
    """Sums of `n` of the values, for every choice or for random ones."""
    if math.comb(len(values), n) <= MAX_EXACT:
        chosen = np.array(list(itertools.combinations(range(len(values)), n)))
        return values[chosen].sum(axis=1), True
    generator = np.random.default_rng(seed)
    shuffled = generator.permuted(np.tile(values, (n_samples, 1)), axis=1)
    return shuffled[:, :n].sum(axis=1), False


def _units(vectors: Vectors, keys: Sequence[str]) -> Doubles:
    return directions(vectors[list(keys)], list(keys))


def _direction(vectors: Vectors, direction: Doubles) -> Doubles:
    """The direction with length 1."""
    if np.shape(direction) != (vectors.dim,):
        raise ConfigError(
            f"the direction has shape {np.shape(direction)}; give one of dimension {vectors.dim}"
        )
    unit: Doubles = directions(np.asarray(direction)[None])[0]
    return unit
