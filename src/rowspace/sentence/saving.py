"""Sentence-transformers folders written: an encoder as it is, or a model that was trained."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from rowspace.errors import ConfigError
from rowspace.files import write_folder_atomically
from rowspace.sentence.folder import SentenceConfig, check_is_free, read_modules, write_config
from rowspace.sentence.static import StaticEmbedding
from rowspace.transformer.model_folder import CONFIG, check_is_hugging_face

if TYPE_CHECKING:
    from rowspace.sentence.encoder import SentenceEncoder

CARD = "README.md"
_OF_TRANSFORMERS = (
    CONFIG,
    "*.safetensors",
    "*.safetensors.index.json",
    "tokenizer*.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.*",
    "merges.txt",
    "*.model",
)


def save_encoder(encoder: SentenceEncoder, folder: Path) -> None:
    """Write an encoder's folder, with its settings; as `SentenceEncoder.save`.

    Raises
    ------
    ConfigError
        If it was not read from a folder that sentence-transformers can load, or `folder` is a file
        or holds anything but a model.
    """
    if isinstance(encoder.embedding, StaticEmbedding):
        from rowspace.sentence.static_files import save_static

        card = encoder.folder / CARD if encoder.folder is not None else None
        text = card.read_text(encoding="utf-8") if card is not None and card.exists() else ""
        save_static(encoder.embedding, encoder.config, folder, card=text)
        return
    if encoder.folder is None:
        raise ConfigError("this encoder was not read from a folder, so there is none to write anew")
    home = read_modules(encoder.folder)[0].path
    check_is_hugging_face(home)

    def copy(temporary: Path) -> None:
        for path in {path for kind in _OF_TRANSFORMERS for path in home.glob(kind)}:
            shutil.copyfile(path, temporary / path.name)
        if (encoder.folder / CARD).exists():  # type: ignore[operator]
            shutil.copyfile(encoder.folder / CARD, temporary / CARD)  # type: ignore[operator]

    dim = encoder.embedding.dim // len(encoder.config.poolings)
    write_folder(folder, encoder.config, copy, dim=dim)


def write_folder(
    folder: Path, config: SentenceConfig, write_transformer: Callable[[Path], None], *, dim: int
) -> None:
    """Write a whole folder in one step.

    Parameters
    ----------
    folder : Path
    config : SentenceConfig
    write_transformer : callable
        Writes the transformer's own files, and a card, into the folder it is given.
    dim : int
        Length of a token's state.

    Raises
    ------
    ConfigError
        If `folder` is a file, or holds anything but a model.
    """
    check_is_free(folder)
    with write_folder_atomically(folder) as temporary:
        write_transformer(temporary)
        write_config(config, temporary, dim=dim)
