"""Vectors: keys and a matrix, however they were made; their files, neighbours and geometry."""

from rowspace.space.alignment import Alignment, Drift, align, measure_drift, procrustes
from rowspace.space.analogy import answer_analogies
from rowspace.space.bias import (
    BiasDirection,
    WeatResult,
    bias_direction,
    equalize,
    hard_debias,
    neutralize,
    projections,
    weat,
)
from rowspace.space.clusters import Clustering, cluster, describe_clusters
from rowspace.space.compress import CompressedVectors, compress_vectors, measure_compression
from rowspace.space.encoder import Encoder
from rowspace.space.formats import load, save
from rowspace.space.geometry import Geometry, findings, measure_geometry
from rowspace.space.hubness import Hubness, measure_hubness
from rowspace.space.isotropy import Isotropy, measure_isotropy
from rowspace.space.projection import coordinates
from rowspace.space.similarity import nearest_rows
from rowspace.space.spectrum import Spectrum, spectrum_of
from rowspace.space.transforms import AffineMap, all_but_the_top, pca, reduce_dim, whiten
from rowspace.space.vectors import Vectors

__all__ = [
    "AffineMap",
    "Alignment",
    "BiasDirection",
    "Clustering",
    "CompressedVectors",
    "Drift",
    "Encoder",
    "Geometry",
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
