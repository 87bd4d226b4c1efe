"""Any model that gives texts their vectors, by the path or the name that says where it is."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rowspace.sentence.alike import encode_alike
from rowspace.sentence.kinds import is_text_encoder, told_of_the_name
from rowspace.space.encoder import Encoder, encode_queries


def open_encoder(model: Path | str | Encoder) -> Encoder:
    """What a path, or a name on the Hugging Face hub, stands for.

    Parameters
    ----------
    model : path, str or Encoder
        A space, whose own encoder it gives; a sentence encoder or a transformer; word vectors in
        any format, which are averaged by SIF's weights; what `rowspace compare` takes, as
        "models/bert@cls", "words.vec@mean" or "http://HOST/v1#MODEL"; or an encoder, which is given
        back.

    Raises
    ------
    ConfigError
        If the model cannot be read as is asked for.
    FormatError
        If there is no such model, or it is damaged.
    MissingExtraError
        If it needs a package that is not installed.
    """
    if not isinstance(model, Path | str):
        return model
    from rowspace.evaluate.compare.models import open_contenders
    from rowspace.evaluate.compare.spec import parse_spec

    if isinstance(model, str):
        spec = parse_spec(model)
        if spec.remote is not None or str(spec.reading):
            (contender,) = open_contenders([spec], remembers=False)
            return contender.encoder()
        model = spec.model
    from rowspace.search.manifest import is_space

    if is_space(Path(model)):
        from rowspace.search.space import open_space

        return open_space(model).encoder
    if is_text_encoder(model) or not Path(model).exists():
        from rowspace.sentence.loading import load_encoder

        with told_of_the_name(str(model)):
            return load_encoder(model)
    from rowspace.space.formats import load
    from rowspace.static.sif import SIFEncoder

    return SIFEncoder.from_vectors(load(model))


def encode_as(
    encoder: Encoder, texts: Sequence[str], kind: str | None = None
) -> NDArray[np.float32]:
    """Vectors of texts of a kind, with the prompt that the model reads before such.

    Parameters
    ----------
    encoder : Encoder
    texts : sequence of str
    kind : {"query", "document"}, optional
        What they are; by default neither, as where two texts are compared, or one is classified:
        see `encode_alike`.

    Returns
    -------
    (n_texts, dim) float32 array
    """
    if kind == "query":
        return encode_queries(encoder, texts)
    if kind == "document":
        encode = getattr(encoder, "encode_document", encoder.encode)
        vectors: NDArray[np.float32] = encode(texts)
        return vectors
    return encode_alike(encoder, texts)[0]
