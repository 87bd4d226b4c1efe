"""Texts to the vectors of a model that is there already, as a step of scikit-learn's pipelines."""

from __future__ import annotations

import functools
import reprlib
from collections.abc import Mapping, Sequence, Set
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from rowspace.adapters.models import encode_as, open_encoder
from rowspace.errors import ConfigError, CorpusError
from rowspace.evaluate.compare.spec import parse_spec
from rowspace.sentence.encoder import SentenceEncoder
from rowspace.space.encoder import Encoder

_KINDS = (None, "query", "document")


class OfTexts(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """What a transformer of texts says of itself: it takes a list of str, not a table."""

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.string = True
        tags.input_tags.one_d_array = True
        tags.input_tags.two_d_array = False
        tags.transformer_tags.preserves_dtype = []
        return tags


class TextEmbedder(OfTexts):
    """Texts to vectors, by any model that gives texts theirs.

    Nothing is learnt from the texts. A pickle holds the model's path and fingerprint, not its
    weights: where it is read the same model must be at the same path.

    Parameters
    ----------
    model : path, str or Encoder
        A space, a sentence encoder or transformer, or word vectors: see `open_encoder`. Clones, as
        a grid search makes them, share an encoder. Give a path rather than an encoder where it is
        to be pickled, as for several processes.
    prompt_name : str, optional
        "query" or "document", or the name of another prompt that the model has; by default texts
        are read as neither, see `encode_alike`.

    Attributes
    ----------
    fingerprint_ : str
        Of the model that it was fitted with.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.pipeline import make_pipeline
    >>> texts, labels = ["the sea is calm", "a court reads the law"], ["water", "court"]
    >>> pipeline = make_pipeline(TextEmbedder("models/minilm"), LogisticRegression())
    >>> pipeline.fit(texts, labels).predict(["a deep lake"]).tolist()
    ['water']
    """

    def __init__(self, model: Path | str | Encoder, prompt_name: str | None = None) -> None:
        self.model = model
        self.prompt_name = prompt_name

    def __sklearn_clone__(self) -> Self:
        """As scikit-learn's, but for the model, which is not copied: that of OpenVINO cannot be."""
        new = type(self)(**self.get_params(deep=False))
        if hasattr(self, "_sklearn_output_config"):  # of `set_output`
            new._sklearn_output_config = dict(self._sklearn_output_config)
        return new

    def fit(self, X: Any, y: Any = None) -> Self:  # noqa: N803
        """Load the model; the texts are looked at only for what is none.

        Raises
        ------
        CorpusError
            If X is no list of texts.
        ConfigError
            If the model has no such prompt.
        FormatError
            If there is no such model.
        """
        as_texts(X)
        encoder = _loaded(self.model)
        _check_prompt(encoder, self.prompt_name)
        self.fingerprint_ = encoder.fingerprint
        self._n_features_out = encoder.dim
        return self

    def transform(self, X: Any) -> NDArray[np.float32]:  # noqa: N803
        """Vectors of texts: (n_texts, dim) float32.

        Raises
        ------
        ConfigError
            If the model at the path is another than that of `fit`.
        """
        check_is_fitted(self)
        texts, encoder = as_texts(X), _loaded(self.model)
        if encoder.fingerprint != self.fingerprint_:
            raise ConfigError(
                f"{self.model} is another model than the one that was fitted; put that one back, "
                "or fit again"
            )
        if self.prompt_name in _KINDS:
            return encode_as(encoder, texts, self.prompt_name)
        assert isinstance(encoder, SentenceEncoder), "fit has checked that it has prompts"
        return encoder.encode(texts, prompt_name=self.prompt_name)


def as_texts(given: Any) -> list[str]:
    """A list of texts, as scikit-learn's users have them: a list, an array, a column.

    Raises
    ------
    CorpusError
        If it is one text, a table, or holds what is no text.
    """
    if isinstance(given, str | bytes | Mapping | Set) or not hasattr(given, "__iter__"):
        raise CorpusError(f"X is one {type(given).__name__}; give a list of texts")
    shape = getattr(given, "shape", (0,))
    if len(shape) != 1:
        raise CorpusError(f"X has the shape {shape}; give a list of texts, or one column of them")
    texts = list(given)
    for number, text in enumerate(texts):
        if not isinstance(text, str):
            raise CorpusError(
                f"item {number:,} of X is {reprlib.repr(text)}, of type {type(text).__name__}; "
                "give texts"
            )
    return texts


def _check_prompt(encoder: Encoder, name: str | None) -> None:
    if name in _KINDS:
        return
    names: Sequence[str] = ()
    if isinstance(encoder, SentenceEncoder):
        names = list(encoder.prompts)
    if name not in names:
        raise ConfigError(
            f"the model has no prompt {name!r}; give query, document or one of "
            f"{', '.join(map(repr, names)) or 'no others'}"
        )


def _loaded(model: Path | str | Encoder) -> Encoder:
    """The encoder; that of a path is kept until another is asked for, or it is replaced."""
    if not isinstance(model, Path | str):
        return model
    path = Path(parse_spec(model).model if isinstance(model, str) else model)
    state = path.stat() if path.exists() else None
    return _open(str(model), None if state is None else (state.st_ino, state.st_mtime_ns))


@functools.lru_cache(maxsize=1)
def _open(model: str, state: tuple[int, int] | None) -> Encoder:
    return open_encoder(model)
