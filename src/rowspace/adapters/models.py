"""Any model that gives texts their vectors, by the path or the name that says where it is."""

from __future__ import annotations

from pathlib import Path

from rowspace.sentence.kinds import is_text_encoder, told_of_the_name
from rowspace.space.encoder import Encoder


def open_encoder(model: Path | str | Encoder) -> Encoder:
    """What a path, or a name on the Hugging Face hub, stands for.

    Parameters
    ----------
    model : path, str or Encoder
        A space, whose own encoder it gives; a sentence encoder or a transformer; word vectors in
        any format, which are averaged by SIF's weights; or an encoder, which is given back.

    Raises
    ------
    FormatError
        If there is no such model, or it is damaged.
    MissingExtraError
        If it needs a package that is not installed.
    """
    if not isinstance(model, Path | str):
        return model
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
