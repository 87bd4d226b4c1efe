"""A small training whose end is known: words of four subjects that never meet."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from rowspace.static.word2vec import Word2Vec

N_GROUPS, N_EACH = 4, 12


def sentences() -> list[list[str]]:
    """Sentences of one subject each."""
    rng = np.random.default_rng(0)
    groups = [[f"{kind}word{chr(97 + i)}" for i in range(N_EACH)] for kind in "pqrs"]
    return [[str(word) for word in rng.choice(groups[i % N_GROUPS], 10)] for i in range(800)]


def train_model(folder: Path) -> Path:
    """Train word2vec on them, with its history."""
    trainer = Word2Vec(dim=16, min_count=1, epochs=4, n_threads=1, subsample=0, learning_rate=0.1)
    trainer.fit(sentences())
    trainer.save(folder)
    return folder
