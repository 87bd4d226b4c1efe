"""Maps of real words: whether they show more of what is near than PCA does."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import rowspace as rs
from rowspace.explore.layouts import make_layout
from rowspace.explore.map_clusters import make_clusters
from rowspace.explore.words import WordPoints
from rowspace.space.sample import frequent

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.slow
def test_umap_and_tsne_of_the_factbooks_words_can_be_trusted_more_than_pca() -> None:
    vectors = rs.Word2Vec(dim=50, epochs=3, n_threads=2, seed=1).fit(ROOT / "examples" / "factbook")
    points = WordPoints(frequent(vectors, 2000))
    clusters = make_clusters(points, 0, lambda share, message: None)
    groups = clusters.codes[:, 0].astype(np.int64)
    trust = {}
    for method in ("pca", "umap", "tsne"):
        made = make_layout(points, method, 0, groups, lambda share, message: None)
        assert made.record.trustworthiness is not None
        trust[method] = made.record.trustworthiness
    assert min(trust["umap"], trust["tsne"]) > trust["pca"] + 0.05
    assert len(set(clusters.names[0])) == len(clusters.names[0]) >= 6
