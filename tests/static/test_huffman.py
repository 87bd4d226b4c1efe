"""Huffman trees: the shortest, a likelihood that sums to 1, and trees that are joined."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from rowspace.static.huffman import Tree, huffman_tree, join_trees
from tests.naive import naive_huffman_cost, naive_sigmoid


def _likelihoods(
    tree: Tree, hidden: NDArray[np.float64], nodes: NDArray[np.float64]
) -> list[float]:
    result = []
    for word in range(len(tree.ends) - 1):
        likelihood = 1.0
        for node, label in zip(*tree.path(word), strict=True):
            turn = naive_sigmoid(float(hidden @ nodes[node]))
            likelihood *= turn if label == 1 else 1 - turn
        result.append(likelihood)
    return result


@settings(deadline=None)  # the first call compiles
@given(st.lists(st.integers(1, 50), min_size=1, max_size=40))
def test_no_tree_is_shorter(counts: list[int]) -> None:
    counts = sorted(counts, reverse=True)
    tree = huffman_tree(np.array(counts))
    depths = np.diff(tree.ends)
    assert int(depths @ counts) == naive_huffman_cost(counts)
    assert tree.n_nodes == len(counts) - 1
    assert sorted(set(tree.nodes.tolist())) == list(range(tree.n_nodes))


@pytest.mark.parametrize("n", [1, 2, 3, 17])
def test_the_likelihoods_of_all_words_add_up_to_one(n: int) -> None:
    generator = np.random.default_rng(n)
    tree = huffman_tree(np.sort(generator.integers(1, 99, n))[::-1].copy())
    nodes = generator.normal(size=(max(1, tree.n_nodes), 4))
    likelihoods = _likelihoods(tree, generator.normal(size=4), nodes)
    assert sum(likelihoods) == pytest.approx(1)


def test_a_tree_worked_by_hand() -> None:
    # 1 and 1 make node 0 (2); it and 2 make node 1 (4); that and 5 the root, node 2.
    tree = huffman_tree(np.array([5, 2, 1, 1]))
    assert [tree.path(word)[0].tolist() for word in range(4)] == [[2], [1, 2], [0, 1, 2], [0, 1, 2]]
    assert tree.path(2)[1].tolist() != tree.path(3)[1].tolist()


def test_joined_trees_keep_the_old_paths_below_a_new_root() -> None:
    old, new = huffman_tree(np.array([9, 5, 2])), huffman_tree(np.array([3, 1]))
    joined = join_trees(old, new)
    assert joined.n_nodes == 2 + 1 + 1
    for word in range(3):
        nodes, labels = joined.path(word)
        assert nodes[:-1].tolist() == old.path(word)[0].tolist()
        assert labels[:-1].tolist() == old.path(word)[1].tolist()
        assert nodes[-1] == 3
    generator = np.random.default_rng(0)
    likelihoods = _likelihoods(joined, generator.normal(size=4), generator.normal(size=(4, 4)))
    assert math.fsum(likelihoods) == pytest.approx(1)
    swapped = joined.take(np.array([4, 0]))
    assert swapped.path(0)[0].tolist() == joined.path(4)[0].tolist()
    assert swapped.path(1)[1].tolist() == joined.path(0)[1].tolist()
