"""Maps of a space fitted to it, as transformers of scikit-learn; see `space.transforms`."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import (
    BaseEstimator,
    ClassNamePrefixFeaturesOutMixin,
    OneToOneFeatureMixin,
    TransformerMixin,
)
from sklearn.utils.validation import check_is_fitted, validate_data

from rowspace.space.transforms import AffineMap, all_but_the_top, whiten

_FLOATS = [np.float64, np.float32]
"""Kept as they are given; other numbers become the first."""


class _Map(TransformerMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """What the maps share: rows are checked, and mapped in float64."""

    map_: AffineMap

    def transform(self, X: Any) -> NDArray[Any]:  # noqa: N803
        """The mapped rows: (n, dim) to (n, new_dim), float32 where they are given so."""
        check_is_fitted(self)
        rows = validate_data(self, X, dtype=_FLOATS, reset=False)
        return self.map_.apply(rows, dtype=rows.dtype)

    def _rows(self, X: Any, **least: int) -> NDArray[Any]:  # noqa: N803
        rows: NDArray[Any] = validate_data(self, X, dtype=_FLOATS, **least)
        return rows

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


class AllButTheTop(OneToOneFeatureMixin, _Map):  # type: ignore[misc]
    """Removes the mean and the strongest directions, which all rows share.

    Mu & Viswanath (2018), https://openreview.net/forum?id=HkuGJ3kCb.

    Parameters
    ----------
    n_components : int, optional
        Directions removed; the paper's choice, dim / 100 rounded up, by default. 0 centers only.

    Attributes
    ----------
    map_ : AffineMap
    n_features_in_ : int
    feature_names_in_ : array of str
        Where X has names of columns.

    Examples
    --------
    >>> from sklearn.pipeline import make_pipeline
    >>> from rowspace.adapters.sklearn import TextEmbedder
    >>> pipeline = make_pipeline(TextEmbedder("models/minilm"), AllButTheTop(1))
    >>> pipeline.fit_transform(["the sea", "a ship", "the law"]).shape
    (3, 384)
    """

    def __init__(self, n_components: int | None = None) -> None:
        self.n_components = n_components

    def fit(self, X: Any, y: Any = None) -> Self:  # noqa: N803
        """Find the directions of (n, dim) rows; two rows and two columns or more.

        Raises
        ------
        ConfigError
            If `n_components` is not between 0 and dim - 1.
        """
        rows = self._rows(X, ensure_min_samples=2, ensure_min_features=2)
        self.map_ = all_but_the_top(rows, self.n_components)
        return self


class Whitening(ClassNamePrefixFeaturesOutMixin, _Map):  # type: ignore[misc]
    """Centers, turns onto the principal axes and gives each variance 1, without labels.

    Su et al. (2021), https://arxiv.org/abs/2103.15316.

    Parameters
    ----------
    dim : int, optional
        Axes kept, the strongest; all that have any variance by default.

    Attributes
    ----------
    map_ : AffineMap
    n_features_in_ : int
    feature_names_in_ : array of str
        Where X has names of columns.
    """

    def __init__(self, dim: int | None = None) -> None:
        self.dim = dim

    def fit(self, X: Any, y: Any = None) -> Self:  # noqa: N803
        """Find the axes of (n, dim) rows; two rows or more.

        Raises
        ------
        ConfigError
            If `dim` does not fit, or all rows are equal.
        """
        self.map_ = whiten(self._rows(X, ensure_min_samples=2), self.dim)
        return self

    @property
    def _n_features_out(self) -> int:
        return len(self.map_.target)
