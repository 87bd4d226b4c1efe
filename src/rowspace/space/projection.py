"""Two coordinates for each vector, for drawing: PCA, or t-SNE that starts from it.

t-SNE: van der Maaten & Hinton (2008), https://jmlr.org/papers/v9/vandermaaten08a.html, of cosine
distances. The same vectors have the same coordinates on every run.
"""

from __future__ import annotations

import numpy as np
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped, unused-ignore]

from rowspace.errors import ConfigError
from rowspace.space.similarity import Doubles
from rowspace.space.spectrum import spectrum_of

MIN_TSNE_WORDS = 30
METHODS = ("auto", "pca", "tsne")
SEED = 0


def coordinates(units: Doubles, method: str = "auto") -> tuple[Doubles, str]:
    """Two coordinates for each vector; the same on every run.

    Parameters
    ----------
    units : (n, dim) float64
        Of length 1, or 0.
    method : {"auto", "pca", "tsne"}
        "auto" is t-SNE, which keeps neighbours near, and PCA where there are fewer than 30
        vectors or all are equal.

    Returns
    -------
    (n, 2) float64, "t-SNE" or "PCA"

    Raises
    ------
    ConfigError
        If the method is unknown, or t-SNE is asked for where it has nothing to work with.
    """
    if method not in METHODS:
        raise ConfigError(f"projection {method!r} is unknown; give one of {', '.join(METHODS)}")
    with threadpool_limits(1):  # more add up in another order, and wait for each other
        flat = principal(units)
        can_tsne = len(units) >= 4 and float(flat[:, 0].std()) >= 1e-9
        if method == "tsne" and not can_tsne:
            raise ConfigError(f"t-SNE cannot place {len(units)} vectors apart; give method='pca'")
        if method == "pca" or not can_tsne or (method == "auto" and len(units) < MIN_TSNE_WORDS):
            return flat, "PCA"
        return _tsne(units, flat), "t-SNE"


def _tsne(units: Doubles, flat: Doubles) -> Doubles:
    from sklearn.manifold import TSNE

    tsne = TSNE(
        perplexity=min(30.0, (len(units) - 1) / 3),
        metric="cosine",
        init=flat / flat[:, 0].std() * 1e-4,  # PCA, scaled as sklearn scales its own
        random_state=SEED,
    )
    return principal(tsne.fit_transform(units).astype(np.float64))


def principal(matrix: Doubles) -> Doubles:
    """(n, 2) projection on the two directions of largest variance, each with a settled sign."""
    flat = np.zeros((len(matrix), 2))
    if len(matrix) > 1:
        spectrum = spectrum_of(matrix)
        axes = spectrum.axes[:2]
        flat[:, : len(axes)] = (matrix - spectrum.mean) @ axes.T
    return flat
