"""Vectors: keys and a matrix, however they were made; their files, neighbours and geometry.

The names of the geometry are imported when first used, as most who load vectors use none of them.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from rowspace.space.analogy import answer_analogies
from rowspace.space.encoder import Encoder
from rowspace.space.formats import load, save
from rowspace.space.similarity import nearest_rows
from rowspace.space.vectors import Vectors

_HOMES = {
    "AffineMap": "transforms",
    "Alignment": "alignment",
    "BiasDirection": "bias",
    "Clustering": "clusters",
    "CompressedVectors": "compress",
    "Drift": "alignment",
    "Geometry": "geometry",
    "History": "history",
    "Hubness": "hubness",
    "Isotropy": "isotropy",
    "Spectrum": "spectrum",
    "WeatResult": "bias",
    "align": "alignment",
    "all_but_the_top": "transforms",
    "bias_direction": "bias",
    "cluster": "clusters",
    "compress_vectors": "compress",
    "coordinates": "projection",
    "describe_clusters": "clusters",
    "equalize": "bias",
    "findings": "geometry",
    "hard_debias": "bias",
    "load_history": "history",
    "measure_compression": "compress",
    "measure_drift": "alignment",
    "measure_geometry": "geometry",
    "measure_hubness": "hubness",
    "measure_isotropy": "isotropy",
    "neutralize": "bias",
    "pca": "transforms",
    "procrustes": "alignment",
    "projections": "bias",
    "reduce_dim": "transforms",
    "spectrum_of": "spectrum",
    "weat": "bias",
    "whiten": "transforms",
}

__all__ = [
    "AffineMap",
    "Alignment",
    "BiasDirection",
    "Clustering",
    "CompressedVectors",
    "Drift",
    "Encoder",
    "Geometry",
    "History",
    "Hubness",
    "Isotropy",
    "Spectrum",
    "Vectors",
    "WeatResult",
    "align",
    "all_but_the_top",
    "answer_analogies",
    "bias_direction",
    "cluster",
    "compress_vectors",
    "coordinates",
    "describe_clusters",
    "equalize",
    "findings",
    "hard_debias",
    "load",
    "load_history",
    "measure_compression",
    "measure_drift",
    "measure_geometry",
    "measure_hubness",
    "measure_isotropy",
    "nearest_rows",
    "neutralize",
    "pca",
    "procrustes",
    "projections",
    "reduce_dim",
    "save",
    "spectrum_of",
    "weat",
    "whiten",
]

if TYPE_CHECKING:
    from rowspace.space.alignment import Alignment as Alignment
    from rowspace.space.alignment import Drift as Drift
    from rowspace.space.alignment import align as align
    from rowspace.space.alignment import measure_drift as measure_drift
    from rowspace.space.alignment import procrustes as procrustes
    from rowspace.space.bias import BiasDirection as BiasDirection
    from rowspace.space.bias import WeatResult as WeatResult
    from rowspace.space.bias import bias_direction as bias_direction
    from rowspace.space.bias import equalize as equalize
    from rowspace.space.bias import hard_debias as hard_debias
    from rowspace.space.bias import neutralize as neutralize
    from rowspace.space.bias import projections as projections
    from rowspace.space.bias import weat as weat
    from rowspace.space.clusters import Clustering as Clustering
    from rowspace.space.clusters import cluster as cluster
    from rowspace.space.clusters import describe_clusters as describe_clusters
    from rowspace.space.compress import CompressedVectors as CompressedVectors
    from rowspace.space.compress import compress_vectors as compress_vectors
    from rowspace.space.compress import measure_compression as measure_compression
    from rowspace.space.geometry import Geometry as Geometry
    from rowspace.space.geometry import findings as findings
    from rowspace.space.geometry import measure_geometry as measure_geometry
    from rowspace.space.history import History as History
    from rowspace.space.history import load_history as load_history
    from rowspace.space.hubness import Hubness as Hubness
    from rowspace.space.hubness import measure_hubness as measure_hubness
    from rowspace.space.isotropy import Isotropy as Isotropy
    from rowspace.space.isotropy import measure_isotropy as measure_isotropy
    from rowspace.space.projection import coordinates as coordinates
    from rowspace.space.spectrum import Spectrum as Spectrum
    from rowspace.space.spectrum import spectrum_of as spectrum_of
    from rowspace.space.transforms import AffineMap as AffineMap
    from rowspace.space.transforms import all_but_the_top as all_but_the_top
    from rowspace.space.transforms import pca as pca
    from rowspace.space.transforms import reduce_dim as reduce_dim
    from rowspace.space.transforms import whiten as whiten


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'rowspace.space' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"rowspace.space.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
