"""UMAP and t-SNE of directions, with what each was given, and telling how far they are."""

from __future__ import annotations

import contextlib
import io
import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import numpy as np

from rowspace.explore.neighbors import near_each_other
from rowspace.explore.points import Matrix
from rowspace.space.similarity import Doubles
from rowspace.version import __version__

Tell = Callable[[float, str], None]
"""Is told what share is done, in [0, 1], and what is being done."""

N_NEIGHBORS = 15
MIN_DIST = 0.1
N_EPOCHS = 200
PERPLEXITY = 30.0


@dataclass(frozen=True)
class Fit:
    """A method that places points."""

    fit: Callable[[Matrix, Doubles, int, Tell], Doubles]
    parameters: Callable[[int], dict[str, Any]]
    """What it is given where there are so many points."""
    packages: tuple[str, ...]
    """That decide what comes out."""

    def versions(self) -> dict[str, str]:
        """Of the packages, and of this one."""
        return {"rowspace": __version__, **{name: version(name) for name in self.packages}}


def umap_parameters(n: int) -> dict[str, Any]:
    """What UMAP of n points is given."""
    return {
        "n_neighbors": min(N_NEIGHBORS, n - 1),
        "min_dist": MIN_DIST,
        "n_epochs": N_EPOCHS,
        "metric": "cosine",
    }


def tsne_parameters(n: int) -> dict[str, Any]:
    """What t-SNE of n points is given."""
    return {"perplexity": min(PERPLEXITY, (n - 1) / 3), "metric": "cosine"}


def fit_umap(units: Matrix, flat: Doubles, seed: int, tell: Tell) -> Doubles:
    """UMAP by cosine, from the exact nearest neighbours of each, starting at PCA.

    Parameters
    ----------
    units : (n, dim) float32
        Of length 1.
    flat : (n, 2) float64
        Where to start.
    seed : int
    tell : callable

    Returns
    -------
    (n, 2) float64
    """
    tell(0.0, "finding neighbours")
    parameters = umap_parameters(len(units))
    rows, distances = near_each_other(units, parameters["n_neighbors"])
    tell(0.25, "loading UMAP")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of its own making: threads, transforming new data
        from umap import UMAP  # type: ignore[import-untyped, unused-ignore]

        umap = UMAP(
            **parameters,
            init=_start(flat, seed),
            random_state=seed,
            n_jobs=1,
            precomputed_knn=(rows.astype(np.int32), distances, None),
            force_approximation_algorithm=True,
            verbose=True,
            tqdm_kwds={
                "file": _Counter(lambda share: tell(0.35 + 0.65 * share, "placing by UMAP")),
                "bar_format": "{n_fmt}/{total_fmt} ",
                "mininterval": 0.2,
                "disable": False,
            },
        )
        with contextlib.redirect_stdout(io.StringIO()):
            places = umap.fit_transform(units)
    return np.asarray(places, np.float64)


def fit_tsne(units: Matrix, flat: Doubles, seed: int, tell: Tell) -> Doubles:
    """t-SNE by cosine, starting at PCA; as `fit_umap`."""
    from sklearn.manifold import TSNE

    tell(0.0, "finding neighbours")
    said = _Counter(lambda share: tell(0.1 + 0.9 * share, "placing by t-SNE"), total=1000)
    tsne = TSNE(
        **tsne_parameters(len(units)),
        init=_start(flat, seed) * 1e-5,  # its own start has a deviation of 1e-4
        random_state=seed,
        verbose=2,
    )
    with contextlib.redirect_stdout(said):
        places = tsne.fit_transform(units)
    return np.asarray(places, np.float64)


FITS = {
    "umap": Fit(fit_umap, umap_parameters, ("umap-learn", "numpy", "faiss-cpu")),
    "tsne": Fit(fit_tsne, tsne_parameters, ("scikit-learn", "numpy", "faiss-cpu")),
}


def _start(flat: Doubles, seed: int) -> Matrix:
    """Places with deviation 10 along the first axis, none on another."""
    random = np.random.default_rng(seed)
    scaled = flat * (10.0 / max(float(flat[:, 0].std()), 1e-12))
    return (scaled + 1e-3 * random.standard_normal(flat.shape)).astype(np.float32)


class _Counter(io.TextIOBase):
    """Reads how far a library is from what it prints: `12/200`, or `Iteration 50`."""

    def __init__(self, advance: Callable[[float], None], total: int = 0) -> None:
        self._advance, self._total = advance, total

    def write(self, text: str) -> int:
        if found := re.search(r"(\d+)/(\d+)", text) if not self._total else None:
            self._advance(int(found[1]) / max(1, int(found[2])))
        elif self._total and (found := re.search(r"Iteration (\d+)", text)):
            self._advance(min(1.0, int(found[1]) / self._total))
        return len(text)
