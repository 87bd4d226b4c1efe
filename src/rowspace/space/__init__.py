"""Vectors: keys and a matrix, however they were made; their files, nearest keys and analogies."""

from rowspace.space.analogy import answer_analogies
from rowspace.space.encoder import Encoder
from rowspace.space.formats import load, save
from rowspace.space.similarity import nearest_rows
from rowspace.space.vectors import Vectors

__all__ = ["Encoder", "Vectors", "answer_analogies", "load", "nearest_rows", "save"]
