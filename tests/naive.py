"""Slow, plain versions of words, word2vec and SIF: a loop a definition, all in float64."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]
SENTENCE_END = -1


def naive_clean(text: str) -> str:
    text = unicodedata.normalize("NFC", text).replace("\r\n", "\n").replace("\r", "\n")
    return "".join(character for character in text if character not in "\ufeff\0")


def naive_words(text: str) -> list[str]:
    found: list[str] = []
    word = ""
    for character in naive_clean(text):
        category = unicodedata.category(character)
        is_selector = 0xFE00 <= ord(character) <= 0xFE0F or 0xE0100 <= ord(character) <= 0xE01EF
        if (category[0] in "LMN" or category == "Pc") and not is_selector:
            name = unicodedata.name(character, "")
            if name.startswith(("CJK UNIFIED IDEOGRAPH", "CJK COMPATIBILITY IDEOGRAPH")):
                found += [word, character]
                word = ""
            else:
                word += character.lower()[0]
        else:
            found.append(word)
            word = ""
    return [word for word in [*found, word] if word]


def naive_sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def naive_loss(
    w_in: Matrix, w_out: Matrix, contexts: Sequence[int], targets: Sequence[int]
) -> float:
    """-log likelihood: targets[0] is the center, those after it that equal it do not count."""
    loss = 0.0
    for c in contexts:
        for j, t in enumerate(targets):
            if j == 0:
                loss -= math.log(naive_sigmoid(float(w_in[c] @ w_out[t])))
            elif t != targets[0]:
                loss -= math.log(naive_sigmoid(-float(w_in[c] @ w_out[t])))
    return loss


def naive_window_step(
    w_in: Matrix, w_out: Matrix, contexts: Sequence[int], targets: Sequence[int], lr: float
) -> tuple[Matrix, Matrix]:
    """The matrices after one step; every product is of the rows as they were before."""
    new_in, new_out = w_in.copy(), w_out.copy()
    for c in contexts:
        for j, t in enumerate(targets):
            if j > 0 and t == targets[0]:
                continue
            label = 1.0 if j == 0 else 0.0
            step = lr * (label - naive_sigmoid(float(w_in[c] @ w_out[t])))
            new_in[c] += step * w_out[t]
            new_out[t] += step * w_in[c]
    return new_in, new_out


def naive_tree_loss(
    w_in: Matrix, w_out: Matrix, contexts: Sequence[int], path: Sequence[tuple[int, int]]
) -> float:
    """-log of the likelihood of a path of (inner node, label), from each context."""
    loss = 0.0
    for c in contexts:
        for node, label in path:
            sign = 1 if label == 1 else -1
            loss -= math.log(naive_sigmoid(sign * float(w_in[c] @ w_out[node])))
    return loss


def naive_tree_step(
    w_in: Matrix, w_out: Matrix, contexts: Sequence[int], path: Sequence[tuple[int, int]], lr: float
) -> tuple[Matrix, Matrix]:
    """The matrices after one step; every product is of the rows as they were before."""
    new_in, new_out = w_in.copy(), w_out.copy()
    for c in contexts:
        for node, label in path:
            # float: a label that is a float32 would make all of it so
            step = lr * (float(label) - naive_sigmoid(float(w_in[c] @ w_out[node])))
            new_in[c] += step * w_out[node]
            new_out[node] += step * w_in[c]
    return new_in, new_out


def naive_huffman_cost(counts: Sequence[int]) -> int:
    """Sum over words of count times depth, which every Huffman tree of the counts has."""
    heap = sorted(counts)
    cost = 0
    while len(heap) > 1:
        joined = heap.pop(0) + heap.pop(0)
        cost += joined
        heap.append(joined)
        heap.sort()
    return cost


@dataclass
class NaiveRandom:
    """xorshift64*, with Python's integers."""

    state: int

    def next(self) -> int:
        x = self.state
        x ^= x >> 12
        x ^= x << 25 & 2**64 - 1
        x ^= x >> 27
        self.state = x
        return (x * 2685821657736338717 % 2**64) >> 32

    def below(self, n: int) -> int:
        return self.next() * n >> 32


@dataclass
class NaivePiece:
    """word2vec over one piece of tokens, with the random draws in the order of the kernel."""

    w_in: Matrix
    w_out: Matrix
    keep: Sequence[int]
    noise: Sequence[Sequence[int]]
    window: int
    n_negative: int
    dynamic: bool = True
    is_cbow: bool = False
    cbow_mean: bool = True
    cbow_classic: bool = False
    lr: float = 0.1
    random: NaiveRandom = field(default_factory=lambda: NaiveRandom(1))
    paths: Sequence[Sequence[tuple[int, int]]] | None = None
    """Of each word through a tree, instead of negatives."""
    frozen: frozenset[int] = frozenset()
    loss: float = 0.0
    n_predictions: int = 0

    def train(self, tokens: Sequence[int], begin: int, end: int) -> None:
        kept: list[tuple[int, bool, int]] = []  # (word, is a center, number of its sentence)
        n_sentences = 0
        for i, word in enumerate(tokens):
            if word == SENTENCE_END:
                n_sentences += 1
            elif self.random.next() <= self.keep[word]:
                kept.append((word, begin <= i < end, n_sentences))
        if not kept:
            return
        upcoming = self.draw(kept[0][0])
        for i, (_, is_center, number) in enumerate(kept):
            targets = upcoming
            if i + 1 < len(kept):
                upcoming = self.draw(kept[i + 1][0])
            if not is_center:
                continue
            reach = self.window - (self.random.below(self.window) if self.dynamic else 0)
            contexts = [
                word
                for j, (word, _, other) in enumerate(kept)
                if j != i and abs(j - i) <= reach and other == number
            ]
            if contexts:
                self.step(contexts, targets)

    def draw(self, center: int) -> list[int]:
        targets = [center]
        if self.paths is not None:
            return targets
        for _ in range(self.n_negative):
            word = self.random.below(len(self.noise))
            targets.append(
                word if self.random.next() <= self.noise[word][0] else self.noise[word][1]
            )
        return targets

    def step(self, contexts: list[int], targets: list[int]) -> None:
        before = self.w_in
        if not self.is_cbow:
            self.n_predictions += len(contexts)
            # Along a tree one context learns after the other, else all of them at once.
            for group in [contexts] if self.paths is None else [[c] for c in contexts]:
                self.w_in, self.w_out = self.update(self.w_in, group, targets)
                self.restore_frozen(before)
        else:
            self.n_predictions += 1
            scale = 1 / len(contexts) if self.cbow_mean else 1.0
            hidden = sum(self.w_in[c] for c in contexts)[None, :] * scale
            new_hidden, self.w_out = self.update(hidden, [0], targets)
            self.w_in = self.w_in.copy()
            for c in contexts:
                self.w_in[c] += (new_hidden - hidden)[0] * (1.0 if self.cbow_classic else scale)
            self.restore_frozen(before)

    def restore_frozen(self, before: Matrix) -> None:
        for c in self.frozen:
            self.w_in[c] = before[c]

    def update(
        self, rows: Matrix, contexts: list[int], targets: list[int]
    ) -> tuple[Matrix, Matrix]:
        if self.paths is not None:
            path = self.paths[targets[0]]
            self.loss += naive_tree_loss(rows, self.w_out, contexts, path)
            return naive_tree_step(rows, self.w_out, contexts, path, self.lr)
        self.loss += naive_loss(rows, self.w_out, contexts, targets)
        return naive_window_step(rows, self.w_out, contexts, targets, self.lr)


@dataclass
class NaiveCbowPiece(NaivePiece):
    """CBOW whose centers, eight at a time, share their negatives.

    They are an eighth of the piece apart, so that their windows are of other words.
    """

    def train(self, tokens: Sequence[int], begin: int, end: int) -> None:
        sentences: list[list[tuple[int, bool]]] = [[]]
        for i, word in enumerate(tokens):
            if word == SENTENCE_END:
                sentences.append([])
            elif self.random.next() <= self.keep[word]:
                sentences[-1].append((word, begin <= i < end))
        batch: list[tuple[int, list[int]]] = []
        places = [(sentence, i) for sentence in sentences for i in range(len(sentence))]
        apart = -(-len(places) // 8)
        for place in (k % 8 * apart + k // 8 for k in range(8 * apart)):
            if place >= len(places):
                continue
            sentence, i = places[place]
            center, is_center = sentence[i]
            if is_center:
                reach = self.window - (self.random.below(self.window) if self.dynamic else 0)
                near = sentence[max(0, i - reach) : i] + sentence[i + 1 : i + reach + 1]
                if near:
                    batch.append((center, [word for word, _ in near]))
            if len(batch) == 8:
                self.train_batch(batch)
                batch = []
        if batch:
            self.train_batch(batch)

    def train_batch(self, batch: list[tuple[int, list[int]]]) -> None:
        negatives = self.draw(0)[1:]
        before_in, before_out = self.w_in.copy(), self.w_out.copy()
        for center, contexts in batch:
            self.n_predictions += 1
            scale = 1 / len(contexts) if self.cbow_mean else 1.0
            hidden = sum(before_in[c] for c in contexts)[None, :] * scale
            targets = [center, *negatives]
            self.loss += naive_loss(hidden, before_out, [0], targets)
            new_hidden, new_out = naive_window_step(hidden, before_out, [0], targets, self.lr)
            self.w_out += new_out - before_out
            for c in contexts:
                if c not in self.frozen:
                    share = 1.0 if self.cbow_classic else scale
                    self.w_in[c] += (new_hidden - hidden)[0] * share


def naive_alias_probabilities(table: NDArray[np.uint32]) -> list[float]:
    """How likely each word is: a row is drawn evenly, then it or its alias."""
    n = len(table)
    probabilities = [0.0] * n
    for i in range(n):
        stays = (int(table[i, 0]) + 1) / 2**32
        probabilities[i] += stays / n
        probabilities[int(table[i, 1])] += (1 - stays) / n
    return probabilities


def naive_sif_average(
    text: str, rows: Mapping[str, Sequence[float]], counts: Mapping[str, int], smoothing: float
) -> list[float]:
    """Arora et al. (2017), eq. 1, of word vectors scaled to unit length."""
    dim = len(next(iter(rows.values())))
    average = [0.0] * dim
    known = [word for word in text.lower().split() if word in rows]
    for word in known:
        length = math.sqrt(sum(value * value for value in rows[word]))
        weight = smoothing / (smoothing + counts[word] / sum(counts.values()))
        for d in range(dim):
            average[d] += weight * rows[word][d] / length / len(known)
    return average


def naive_mmr(relevance: Sequence[float], vectors: Matrix, k: int, diversity: float) -> list[int]:
    """Carbonell & Goldstein (1998), equation 1, a pair at a time; ties to the first."""

    def cosine(i: int, j: int) -> float:
        lengths = math.sqrt(float(vectors[i] @ vectors[i]) * float(vectors[j] @ vectors[j]))
        return float(vectors[i] @ vectors[j]) / lengths if lengths else 0.0

    chosen = [max(range(len(relevance)), key=lambda i: (relevance[i], -i))]
    while len(chosen) < min(k, len(relevance)):
        left = [i for i in range(len(relevance)) if i not in chosen]
        weight = 1 - diversity
        values = {
            i: weight * relevance[i] - diversity * max(cosine(i, j) for j in chosen) for i in left
        }
        chosen.append(max(left, key=lambda i: (values[i], -i)))
    return chosen
