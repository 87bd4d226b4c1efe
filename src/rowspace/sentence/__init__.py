"""Sentence embedders: loading, running, training, distilling and shipping them."""
