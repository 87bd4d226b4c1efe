"""Folders of static embedders: model2vec's, and those of sentence-transformers.

model2vec keeps its table as "embeddings", with "weights" and "mapping" where tokens share rows, and
leaves out the token for what is unknown; sentence-transformers has "embedding.weight", and counts
that token. What is written is read alike by both of them.
"""

from __future__ import annotations

import dataclasses
import functools
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rowspace.errors import ConfigError, FormatError
from rowspace.files import sha256, write_folder_atomically, write_json
from rowspace.sentence.distill_config import TABLE_DTYPES
from rowspace.sentence.encoder import SentenceEncoder
from rowspace.sentence.files import read_object
from rowspace.sentence.folder import (
    MODEL2VEC,
    Module,
    SentenceConfig,
    check_is_free,
    read_config,
    write_modules,
    write_settings,
)
from rowspace.sentence.static import StaticEmbedding, StaticTable
from rowspace.space.safetensors_files import map_tensor, read_header, write_tensors
from rowspace.transformer.model_folder import CONFIG
from rowspace.transformer.tokenizer import SubwordTokenizer

WEIGHTS, TOKENIZER = "model.safetensors", "tokenizer.json"
MAX_LENGTH = 512
"""Tokens that model2vec reads where its folder does not say how many."""
_OF_MODEL2VEC, _OF_SENTENCE_TRANSFORMERS = "embeddings", "embedding.weight"
_KINDS = {_OF_MODEL2VEC: ("F16", "F32", "F64", "I8"), _OF_SENTENCE_TRANSFORMERS: ("F16", "F32")}


def load_static(
    folder: Path, modules: list[Module], name: str, max_length: int | None = None
) -> tuple[StaticEmbedding, SentenceConfig]:
    """Read a static embedder's folder.

    Parameters
    ----------
    folder : Path
    modules : list of Module
        Its modules, the first of which is StaticEmbedding.
    name : str
        What the model is called.
    max_length : int, optional
        Tokens of a text that are read; the model's own if not given.

    Raises
    ------
    FormatError
        If a file is missing or damaged, or the table does not fit the tokenizer.
    ConfigError
        If `max_length` is less than 1.
    """
    if max_length is not None and max_length < 1:
        raise ConfigError(f"max_length is {max_length}; give 1 or more")
    home = modules[0].path
    table, is_model2vec = _read_table(home / WEIGHTS)
    tokenizer = SubwordTokenizer.load(home / TOKENIZER)
    if tokenizer.vocab_size > table.n_tokens:
        raise FormatError(
            f"{home / WEIGHTS} has vectors of {table.n_tokens:,} tokens, and {TOKENIZER} has "
            f"{tokenizer.vocab_size:,}; copy or download the folder again"
        )
    own = _length_of_model2vec(folder) if is_model2vec else _length_of_tokenizer(home)
    longest = max_length or own
    config = dataclasses.replace(read_config(folder, modules, name), max_length=longest)
    embedding = StaticEmbedding(
        table,
        tokenizer,
        max_length=longest,
        drops_unknown=is_model2vec,
        weights=functools.partial(sha256, home / WEIGHTS),
    )
    return embedding, config


def _read_table(path: Path) -> tuple[StaticTable, bool]:
    """The table, and whether it is model2vec's."""
    if not path.exists():
        raise FormatError(
            f"{path} is missing (a pickle in its place is not read); copy or download it"
        )
    tensors, _ = read_header(path)
    name = next((name for name in _KINDS if name in tensors), None)
    if name is None or len(tensors[name].shape) != 2 or tensors[name].dtype not in _KINDS[name]:
        held = ", ".join(f"{key} {value.dtype} {value.shape}" for key, value in tensors.items())
        raise FormatError(
            f"{path} holds {held or 'nothing'}; there has to be a matrix '{_OF_MODEL2VEC}' or "
            f"'{_OF_SENTENCE_TRANSFORMERS}', with a row a token"
        )
    rows = map_tensor(path, tensors[name])
    more = [key for key in ("mapping", "weights") if key in tensors]
    parts = {key: map_tensor(path, tensors[key]) for key in more}
    mapping = np.array(parts["mapping"], dtype=np.int64) if "mapping" in parts else None
    weights = np.array(parts["weights"], dtype=np.float32) if "weights" in parts else None
    table = StaticTable(rows, mapping, weights)
    if mapping is not None and len(mapping) and not 0 <= mapping.min() <= mapping.max() < len(rows):
        raise FormatError(
            f"{path}: the mapping names row {mapping.max():,} of {len(rows):,}; copy or download "
            "it again"
        )
    if weights is not None and weights.shape != (table.n_tokens,):
        raise FormatError(
            f"{path}: {len(weights):,} weights for {table.n_tokens:,} tokens; copy or download it "
            "again"
        )
    return table, name == _OF_MODEL2VEC


def _length_of_model2vec(folder: Path) -> int | None:
    content = read_object(folder / CONFIG) if (folder / CONFIG).exists() else {}
    length = content.get("max_length", MAX_LENGTH)
    return None if length is None else int(length)


def _length_of_tokenizer(home: Path) -> int | None:
    truncation = read_object(home / TOKENIZER).get("truncation")
    return int(truncation["max_length"]) if truncation else None


def save_static(
    embedding: StaticEmbedding,
    config: SentenceConfig,
    folder: Path,
    *,
    dtype: str | None = None,
    card: str = "",
) -> None:
    """Write a folder that model2vec, sentence-transformers and `load_encoder` read, in one step.

    Parameters
    ----------
    embedding : StaticEmbedding
    config : SentenceConfig
    folder : Path
    dtype : {"float32", "float16", "int8"}, optional
        Of the table; as it is if not given. int8 changes the vectors' length, and by rounding
        their direction a little: each is 127 over the greatest number of the table times as long.
    card : str
        The text of its README.md.

    Raises
    ------
    ConfigError
        If `folder` is a file or holds anything but a model, or the dtype is not known.
    """
    check_is_free(folder)
    with write_folder_atomically(folder) as temporary:
        _write(embedding, config, temporary, dtype)
        if card:
            (temporary / "README.md").write_text(card, encoding="utf-8")


def _write(
    embedding: StaticEmbedding, config: SentenceConfig, folder: Path, dtype: str | None
) -> None:
    table = embedding.table
    name = _OF_MODEL2VEC if embedding.drops_unknown else _OF_SENTENCE_TRANSFORMERS
    rows = table.rows if dtype is None else cast_table(table.rows, dtype)
    tensors: dict[str, NDArray[Any]] = {name: rows}
    if table.weights is not None:
        tensors["weights"] = table.weights
    if table.mapping is not None:
        tensors["mapping"] = table.mapping
    write_tensors(folder / WEIGHTS, tensors, {"format": "pt"})
    _write_tokenizer(embedding.tokenizer, folder, config.max_length)
    modules = [("", "StaticEmbedding")]
    for layer in config.dense:
        modules.append((f"{len(modules)}_Dense", "Dense"))
        layer.write(folder / modules[-1][0])
    if config.normalize:
        modules.append((f"{len(modules)}_Normalize", "Normalize"))
        (folder / modules[-1][0]).mkdir()
    write_modules(modules, folder)
    write_settings(config, folder)
    if embedding.drops_unknown:  # else model2vec knows by there being none what the table is called
        content = {
            "model_type": MODEL2VEC,
            "architectures": ["StaticModel"],
            "hidden_dim": table.dim,
            "normalize": config.normalize,
            "max_length": config.max_length,
            "embedding_dtype": rows.dtype.name,
        }
        write_json(folder / CONFIG, content)


def cast_table(rows: NDArray[Any], dtype: str) -> NDArray[Any]:
    """A table in another type; int8 by the greatest number in it, as model2vec does.

    Raises
    ------
    ConfigError
        If the type is not one of `TABLE_DTYPES`.
    """
    if dtype not in TABLE_DTYPES:
        raise ConfigError(f"dtype is {dtype!r}; give one of {', '.join(TABLE_DTYPES)}")
    if dtype != "int8" or rows.dtype == np.int8:
        found: NDArray[Any] = rows.astype(dtype)
        return found
    greatest = float(np.abs(rows).max()) or 1.0
    scaled = rows.astype(np.float32) * np.float32(127 / greatest)
    return np.asarray(np.rint(scaled), dtype=np.int8)


def _write_tokenizer(tokenizer: SubwordTokenizer, folder: Path, max_length: int | None) -> None:
    """Write tokenizer.json, with the cut at `max_length` that sentence-transformers goes by."""
    path = tokenizer.save(folder)
    if max_length is not None:
        content = read_object(path)
        cut = {"direction": "Right", "strategy": "LongestFirst", "stride": 0}
        content["truncation"] = {**cut, "max_length": max_length}
        write_json(path, content)


def load_static_encoder(
    folder: Path, modules: list[Module], name: str, max_length: int | None, truncate_dim: int | None
) -> SentenceEncoder:
    """As `load_encoder`, of a static embedder's folder."""
    embedding, config = load_static(folder, modules, name, max_length)
    if truncate_dim is not None:
        config = dataclasses.replace(config, truncate_dim=truncate_dim)
    return SentenceEncoder(embedding, config, folder=folder)
