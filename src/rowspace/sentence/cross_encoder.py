"""Cross-encoders: a query and a passage read together, and how relevant the one is to the other.

Nogueira & Cho (2019), https://arxiv.org/abs/1901.04085. Nothing of a passage can be computed before
the query is there, so only the best hits of a faster search are scored. Folders of
sentence-transformers and of `transformers` are read, and scores are those of sentence-transformers.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence, Sized
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rowspace.errors import ConfigError, CorpusError
from rowspace.progress import track
from rowspace.sentence.batches import Batch, batches_of
from rowspace.sentence.cross_encoder_folder import (
    ACTIVATIONS,
    CrossEncoderConfig,
    read_cross_encoder,
)
from rowspace.sentence.pair_reading import Pair, PairReader, ReadPairs, check_pair
from rowspace.sentence.runtime import Runtime
from rowspace.sentence.runtime_choice import check_choices, choose_runtime, needs_torch
from rowspace.transformer.model_folder import (
    check_vocabulary,
    digest_of,
    folder_of,
    load_model_tokenizer,
)

PAIRS_AT_ONCE = 1024
"""Pairs that are tokenised and sorted together."""


class CrossEncoder:
    """Gives each (query, passage) pair a score of relevance; `load_cross_encoder` makes one.

    Parameters
    ----------
    runtime : Runtime
        Gives batches of pairs their (B, 1, 1) scores before the activation.
    reader : PairReader
    config : CrossEncoderConfig
    weights : callable
        Gives what tells these weights from others'.
    """

    def __init__(
        self,
        runtime: Runtime,
        reader: PairReader,
        config: CrossEncoderConfig,
        weights: Callable[[], str],
    ) -> None:
        self.runtime, self.reader, self.config = runtime, reader, config
        self._weights = weights
        self.n_truncated = 0
        """Pairs of the last call whose end was not read."""

    @property
    def max_length(self) -> int | None:
        """Tokens of a pair that are read, special ones included; None for all."""
        return self.config.max_length

    @functools.cached_property
    def fingerprint(self) -> str:
        """SHA-256 of what determines the scores; two runtimes of one model have the same."""
        parts = [self._weights(), self.reader.fingerprint, self.config.activation]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()

    def predict(self, pairs: Iterable[Pair]) -> NDArray[np.float32]:
        """The score of each pair.

        Pairs are sorted by their tokens, and run in batches of like length; one that is there
        several times is run once.

        Parameters
        ----------
        pairs : iterable of (str, str)
            A query and a passage each. Of a pair that is too long, the longer text is cut.

        Returns
        -------
        (n_pairs,) float32 array
            Higher is more relevant: 0 to 1 after a sigmoid, else any number, as the model says.

        Raises
        ------
        CorpusError
            If a pair is not two texts, or a score is not finite.

        Examples
        --------
        ::

            encoder = rowspace.load_cross_encoder("models/ms-marco-minilm")
            encoder.predict([("Which lakes shrink?", "Lake Chad has shrunk.")]).shape  # (1,)
        """
        total = len(pairs) if isinstance(pairs, Sized) else None
        left, parts = iter(pairs), [np.zeros(0, np.float32)]
        n_pairs = self.n_truncated = 0
        with track("scoring", total) as tracker:
            while chunk := list(islice(left, PAIRS_AT_ONCE)):
                checked = [check_pair(pair, i) for i, pair in enumerate(chunk, n_pairs)]
                distinct = {pair: place for place, pair in enumerate(dict.fromkeys(checked))}
                places = np.array([distinct[pair] for pair in checked])
                read = self.reader.read(list(distinct))
                parts.append(self._scores(read)[places])
                self.n_truncated += int(read.is_cut[places].sum())
                n_pairs += len(chunk)
                tracker.advance(len(chunk))
        self._warn(n_pairs)
        return np.concatenate(parts)

    def rank(
        self, query: str, texts: Sequence[str], top_k: int | None = None
    ) -> list[tuple[int, float]]:
        """The texts by their relevance to a query.

        Parameters
        ----------
        query : str
        texts : sequence of str
        top_k : int, optional
            How many of them; all if not given.

        Returns
        -------
        list of (position, score)
            The best first; of equal scores, the earlier text.

        Raises
        ------
        ConfigError
            If `top_k` is under 1.
        CorpusError
            As `predict`.
        """
        if top_k is not None and top_k < 1:
            raise ConfigError(f"top_k is {top_k}; give 1 or more")
        scores = self.predict([(query, text) for text in texts])
        order = np.argsort(-scores, kind="stable")[:top_k]
        return [(int(i), float(scores[i])) for i in order]

    def _scores(self, read: ReadPairs) -> NDArray[np.float32]:
        """(n_pairs,) scores."""
        found = np.zeros(len(read.types), dtype=np.float32)
        for batch, scores in self.runtime.run(_batches(read)):
            found[batch.rows] = scores[: len(batch.rows), 0, 0]
        if not np.isfinite(found).all():
            raise CorpusError(
                "a pair's score is not finite, so the model's weights hold NaN or are too large "
                "for this dtype; copy or download it again, or give dtype='float32'"
            )
        return _sigmoid(found) if self.config.activation == "sigmoid" else found

    def _warn(self, n_pairs: int) -> None:
        """Say how many pairs were cut."""
        if self.n_truncated:
            are = "is" if self.n_truncated == 1 else "are"
            warnings.warn(
                f"{self.n_truncated:,} of {n_pairs:,} pairs {are} longer than "
                f"{self.max_length:,} tokens, and the rest was not read",
                stacklevel=3,
            )


def _batches(read: ReadPairs) -> Iterator[Batch]:
    for batch in batches_of(read.pieces, ()):
        types = np.zeros((len(batch.token_ids), 1, batch.token_ids.shape[1]), dtype=np.float32)
        for place, row in enumerate(batch.rows):
            types[place, 0, : len(read.types[row])] = read.types[row]
        yield dataclasses.replace(batch, weights=types)


def _sigmoid(scores: NDArray[np.float32]) -> NDArray[np.float32]:
    from scipy.special import expit

    found: NDArray[np.float32] = expit(scores)
    return found


def load_cross_encoder(
    model: Path | str,
    *,
    max_length: int | None = None,
    activation: str | None = None,
    dtype: str = "auto",
    runtime: str = "auto",
    device: str | None = None,
    threads: int | None = None,
) -> CrossEncoder:
    """Read a model that gives pairs of texts a score, for reranking.

    Encoders for sequence classification with one label are read: BERT (as the MiniLM that were
    trained on MS MARCO), RoBERTa, XLM-R, DistilBERT, ELECTRA and their like. On a CPU, OpenVINO
    runs them where it is installed, else torch.

    Parameters
    ----------
    model : path or str
        A folder; or a name on the Hugging Face hub, as "cross-encoder/ms-marco-MiniLM-L6-v2",
        which is asked only where the name is not in its cache.
    max_length : int, optional
        Tokens of a pair read at once, special ones included; the model's own if not given.
    activation : {"sigmoid", "identity"}, optional
        What becomes of the head's number; as the model says if not given.
    dtype : {"auto", "float32", "bfloat16", "float16"}
        What is computed in; scores are float32. "auto" is bfloat16 where OpenVINO runs it and the
        processor multiplies it itself, else float32.
    runtime : {"auto", "openvino", "torch"}
    device : str, optional
        A name of torch; anything but cpu is torch's runtime.
    threads : int, optional
        As many as there are cores if not given.

    Raises
    ------
    FormatError
        If there is no such model, it has several labels, or its folder is damaged or holds what is
        not read.
    ConfigError
        If a setting cannot be.
    MissingExtraError
        If a package that the model needs is missing.

    Examples
    --------
    ::

        encoder = rowspace.load_cross_encoder("models/ms-marco-minilm")
        encoder.rank("Which lakes shrink?", ["A recipe.", "Lake Chad has shrunk."])[0][0]  # 1
    """
    check_choices(dtype, runtime, threads)
    if dtype == "int8":
        raise ConfigError("dtype is 'int8', which cross-encoders are not run in; leave dtype out")
    if activation not in (None, *ACTIVATIONS):
        raise ConfigError(f"activation is {activation!r}; give one of {', '.join(ACTIVATIONS)}")
    home, config = read_cross_encoder(folder_of(model), max_length, activation)
    tokenizer = load_model_tokenizer(home)
    reader = PairReader(
        tokenizer,
        config.max_length,
        lowercase=config.lowercase,
        has_types=config.has_types,
        one_by_one=threads is not None,
    )
    runs = choose_runtime(
        lambda: _in_openvino(home, config, dtype, threads),
        lambda: _in_torch(home, config, dtype, device, threads),
        dtype,
        runtime,
        device,
    )
    check_vocabulary(home, tokenizer, runs.n_rows)
    return CrossEncoder(runs, reader, config, functools.partial(digest_of, home, ""))


def _in_openvino(
    home: Path, config: CrossEncoderConfig, dtype: str, threads: int | None
) -> Runtime:
    from rowspace.sentence.exports import exported_scores
    from rowspace.sentence.runtime_openvino import OpenVinoRuntime, best_dtype

    export = exported_scores(home, config.has_types)
    computed = best_dtype() if dtype == "auto" else dtype
    return OpenVinoRuntime(export.graph, dtype=computed, n_rows=export.n_rows, n_threads=threads)


def _in_torch(
    home: Path, config: CrossEncoderConfig, dtype: str, device: str | None, threads: int | None
) -> Runtime:
    with needs_torch(home):
        from rowspace.sentence.pair_scores import TorchScorer, load_scores

    dtype = "float32" if dtype == "auto" else dtype
    scores = load_scores(home, config.has_types, dtype=dtype, device=device)
    return TorchScorer(scores, dtype=dtype, n_threads=threads)
