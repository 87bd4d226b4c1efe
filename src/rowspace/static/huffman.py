"""The Huffman tree of hierarchical softmax: a word's likelihood as a path of yes-or-no questions.

Morin & Bengio (2005), with the tree of Mikolov et al. (2013b), https://arxiv.org/abs/1310.4546.
Nodes are numbered as fastText numbers them, so that a `.bin` file's output rows are these.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray


@dataclass(frozen=True)
class Tree:
    """Each word's path: inner nodes, and which way to turn at each."""

    ends: NDArray[np.int64]
    """(n_words + 1,); the path of word i is nodes[ends[i]:ends[i + 1]]."""
    nodes: NDArray[np.int32]
    """(total,) inner nodes, from 0."""
    labels: NDArray[np.float32]
    """(total,) 1 where σ(node · hidden) is the likelihood of the turn, 0 where 1 - that is."""
    n_nodes: int
    """How many inner nodes there are."""

    def path(self, word: int) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """Nodes and labels of one word's path."""
        part = slice(self.ends[word], self.ends[word + 1])
        return self.nodes[part], self.labels[part]

    def take(self, words: NDArray[np.int64]) -> Tree:
        """The same tree with its words in another order, or some of them."""
        paths = [self.path(int(word)) for word in words]
        return _from_paths(paths, self.n_nodes)


def huffman_tree(counts: NDArray[np.int64]) -> Tree:
    """The tree in which the mean path over the tokens is shortest.

    Parameters
    ----------
    counts : (n_words,) int64
        Falling.

    Returns
    -------
    Tree
        With n_words - 1 inner nodes.

    References
    ----------
    Huffman (1952); from sorted counts in linear time with two queues (van Leeuwen 1976).
    """
    n = len(counts)
    if n == 1:  # nothing to ask, and no word to predict but one
        return Tree(np.zeros(2, np.int64), np.empty(0, np.int32), np.empty(0, np.float32), 0)
    parents = np.full(2 * n - 1, -1, dtype=np.int64)
    turns = np.zeros(2 * n - 1, dtype=np.bool_)
    ends = np.zeros(n + 1, dtype=np.int64)
    _build(np.asarray(counts, dtype=np.int64), parents, turns, ends)
    nodes = np.empty(ends[-1], dtype=np.int32)
    labels = np.empty(ends[-1], dtype=np.float32)
    _fill_paths(parents, turns, ends, nodes, labels)
    return Tree(ends, nodes, labels, n - 1)


def join_trees(old: Tree, new: Tree) -> Tree:
    """A root above two trees: what the old one's nodes learned stays as it is.

    The words of `new` come behind those of `old`; its nodes behind the old ones, the root last.
    """
    root = old.n_nodes + new.n_nodes
    paths = []
    for tree, shift, label in ((old, 0, 0.0), (new, old.n_nodes, 1.0)):
        for word in range(len(tree.ends) - 1):
            nodes, labels = tree.path(word)
            paths.append(
                (
                    np.append(nodes + np.int32(shift), np.int32(root)),
                    np.append(labels, np.float32(label)),
                )
            )
    return _from_paths(paths, root + 1)


def _from_paths(paths: list[tuple[NDArray[np.int32], NDArray[np.float32]]], n_nodes: int) -> Tree:
    ends = np.concatenate([[0], np.cumsum([len(nodes) for nodes, _ in paths])]).astype(np.int64)
    nodes = np.concatenate([np.empty(0, np.int32), *(nodes for nodes, _ in paths)])
    labels = np.concatenate([np.empty(0, np.float32), *(labels for _, labels in paths)])
    return Tree(ends, nodes.astype(np.int32), labels.astype(np.float32), n_nodes)


@njit(cache=True)
def _build(counts, parents, turns, ends):
    """Join the two rarest trees until one is left.

    counts  : (n,) int64, falling
    parents : (2 n - 1,) int64, written: words first, then inner nodes; the last is the root, -1
    turns   : (2 n - 1,) bool, written: whether it is its parent's second child
    ends    : (n + 1,) int64, written: running sum of the paths' lengths
    """
    n = counts.shape[0]
    weights = np.full(2 * n - 1, np.iinfo(np.int64).max)
    weights[:n] = counts
    word, node = n - 1, n
    for made in range(n, 2 * n - 1):
        weight = 0
        for child in range(2):
            if word >= 0 and weights[word] < weights[node]:
                lowest = word
                word -= 1
            else:
                lowest = node
                node += 1
            parents[lowest] = made
            turns[lowest] = child == 1
            weight += weights[lowest]
        weights[made] = weight
    depth = np.zeros(2 * n - 1, np.int64)
    for node in range(2 * n - 3, -1, -1):
        depth[node] = depth[parents[node]] + 1
    for word in range(n):
        ends[word + 1] = ends[word] + depth[word]


@njit(cache=True)
def _fill_paths(parents, turns, ends, nodes, labels):
    """Follow each word to the root; nodes and labels are written."""
    n = ends.shape[0] - 1
    for word in range(n):
        at = word
        for step in range(ends[word], ends[word + 1]):
            nodes[step] = parents[at] - n
            labels[step] = 1.0 if turns[at] else 0.0
            at = parents[at]
