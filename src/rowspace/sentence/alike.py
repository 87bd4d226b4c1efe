"""Vectors of texts of which none is the query: compared with each other, classified, clustered."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from rowspace.sentence.encoder import SentenceEncoder
from rowspace.sentence.prompts import Prompts
from rowspace.space.encoder import Encoder


def encode_alike(
    encoder: Encoder, texts: Sequence[str]
) -> tuple[NDArray[np.float32], tuple[str, ...]]:
    """Vectors of texts that are all read alike, and what is to be said of how they were read.

    A sentence encoder with different prompts for queries and documents, and no default, has no
    single way to do so: without a prompt where documents have none, since that of queries is then
    for searching (BGE, Xiao et al. 2023), else with the queries' (E5, Wang et al. 2022).

    Parameters
    ----------
    encoder : Encoder
        One that has a method `encode_alike`, which gives the same as this, is asked by it.
    texts : sequence of str

    Returns
    -------
    vectors : (n_texts, dim) float32 array
    notes : tuple of str
        Which prompt was taken, where there was a choice.
    """
    own = getattr(encoder, "encode_alike", None)
    if own is not None:
        found: tuple[NDArray[np.float32], tuple[str, ...]] = own(texts)
        return found
    if not isinstance(encoder, SentenceEncoder):
        return encoder.encode(texts), ()
    prompts = encoder.config.prompts
    return encoder.encode(texts, prompt=prompts.alike), _notes(prompts)


def _notes(prompts: Prompts) -> tuple[str, ...]:
    others = {text for text in prompts.texts.values() if text != prompts.alike}
    if prompts.default is not None or not others:
        return ()
    return (f"the model has several prompts; all texts were encoded with {prompts.alike!r}",)
