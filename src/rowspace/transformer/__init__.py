"""Transformers from token id to logits: embeddings, attention, layers, models, training."""
