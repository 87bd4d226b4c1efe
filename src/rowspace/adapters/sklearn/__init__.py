"""Embeddings as steps of scikit-learn's pipelines."""

from rowspace.adapters.sklearn.maps import AllButTheTop, Whitening
from rowspace.adapters.sklearn.texts import TextEmbedder
from rowspace.adapters.sklearn.words import Word2VecEmbedder

__all__ = ["AllButTheTop", "TextEmbedder", "Whitening", "Word2VecEmbedder"]
