"""Slow phrases: lists of words, a dictionary of pairs, a loop a definition."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Collection, Sequence

Sentences = Sequence[Sequence[str]]


def naive_pairs(sentence: Sequence[str], connectors: Collection[str]) -> list[tuple[str, ...]]:
    """Neighbours, the connectors between them included."""
    places = [i for i, word in enumerate(sentence) if word not in connectors]
    return [tuple(sentence[i : j + 1]) for i, j in itertools.pairwise(places)]


def naive_score(score: str, a: int, b: int, ab: int, m: int, n_types: int, n_tokens: int) -> float:
    if score == "npmi":
        p_a, p_b, p_ab = a / n_tokens, b / n_tokens, ab / n_tokens
        return math.log(p_ab / (p_a * p_b)) / -math.log(p_ab)
    return (ab - m) / (a * b) * (n_types if score == "original" else n_tokens)


def naive_find(
    sentences: Sentences,
    *,
    score: str,
    threshold: float,
    min_count: int,
    connectors: Collection[str],
    min_word_count: int,
) -> dict[tuple[str, ...], tuple[int, float]]:
    """The count and score of each phrase of one pass."""
    words = Counter(word for sentence in sentences for word in sentence)
    pairs = Counter(pair for sentence in sentences for pair in naive_pairs(sentence, connectors))
    n_types = len(words.keys() - set(connectors)) + len(pairs)
    found = {}
    for pair, count in pairs.items():
        a, b = words[pair[0]], words[pair[-1]]
        if count >= min_count and min(a, b) >= min_word_count:
            value = naive_score(score, a, b, count, min_count, n_types, words.total())
            if value > threshold:
                found[pair] = count, value
    return found


def naive_join(
    sentence: Sequence[str], phrases: Collection[tuple[str, ...]], connectors: Collection[str]
) -> list[str]:
    """Phrases joined from left to right."""
    joined: list[str] = []
    i = 0
    while i < len(sentence):
        end = i + 1
        while end < len(sentence) and sentence[end] in connectors:
            end += 1
        pair = tuple(sentence[i : end + 1])
        if sentence[i] not in connectors and end < len(sentence) and pair in phrases:
            joined.append("_".join(pair))
            i = end + 1
        else:
            joined.append(sentence[i])
            i += 1
    return joined
