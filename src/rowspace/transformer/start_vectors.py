"""A token table that starts from word vectors: what is known of words need not be learned again.

Qi et al. (2018), https://aclanthology.org/N18-2084: vectors trained before help most where there is
little text. word2vec learns a row from every occurrence of its word, and takes a small part of the
time of a transformer, which learns it from the hidden ones alone.
"""

from __future__ import annotations

import numpy as np
import torch

from rowspace.errors import ConfigError
from rowspace.space.vectors import Vectors
from rowspace.transformer.embeddings import TokenEmbedding
from rowspace.transformer.tokenizer import SubwordTokenizer


def words_of(tokenizer: SubwordTokenizer) -> dict[int, str]:
    """The tokens that are the beginning of a word, or all of it, and their text."""
    special = set(tokenizer.special_tokens.values())
    ordinary = [i for i in range(tokenizer.vocab_size) if i not in special]
    if tokenizer.marks_inner:
        return {
            i: tokenizer.tokens[i] for i in ordinary if not tokenizer.tokens[i].startswith("##")
        }
    texts = {i: tokenizer.decode([i]) for i in ordinary if tokenizer.tokens[i]}
    return {i: text[1:] for i, text in texts.items() if text[:1] == " " and len(text) > 1}


def known_words(tokenizer: SubwordTokenizer, vectors: Vectors) -> dict[int, str]:
    """Those of `words_of` that have a vector.

    Raises
    ------
    ConfigError
        If there is none.
    """
    found = {i: word for i, word in words_of(tokenizer).items() if word in vectors.key_to_index}
    if not found:
        raise ConfigError(
            f"no token is a word that the {len(vectors):,} start_vectors know; train both on the "
            "same text, with a tokenizer of subwords"
        )
    return found


def check_dim(vectors: Vectors, dim: int) -> None:
    """Raise ConfigError where the vectors are not as long as the rows to start from them."""
    if vectors.dim != dim:
        raise ConfigError(
            f"start_vectors have dimension {vectors.dim} and the model {dim}; give dim "
            f"{vectors.dim}, or train vectors of dimension {dim}"
        )


@torch.no_grad()
def start_from(table: TokenEmbedding, tokenizer: SubwordTokenizer, vectors: Vectors) -> int:
    """Put the vectors of words in the rows of the tokens that spell them.

    They are centered and scaled so that such rows are as long, in the mean square, as the random
    ones. Other tokens keep theirs.

    Parameters
    ----------
    table : TokenEmbedding
        Of `tokenizer`'s tokens.
    tokenizer : SubwordTokenizer
    vectors : Vectors
        Of the table's dimension.

    Returns
    -------
    int
        How many rows were written.

    Raises
    ------
    ConfigError
        If the dimension is another, or no token is a word that has a vector.
    """
    check_dim(vectors, table.dim)
    found = known_words(tokenizer, vectors)
    rows = np.stack([vectors[word] for word in found.values()]).astype(np.float64)
    rows -= rows.mean(axis=0)
    std = float(table.weight[: table.vocab_size].square().mean().sqrt())
    rows *= std / max(float(np.sqrt(np.square(rows).mean())), 1e-12)
    table.weight[list(found)] = torch.from_numpy(rows).to(table.weight)
    return len(found)
