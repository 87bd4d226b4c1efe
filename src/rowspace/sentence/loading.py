"""A folder or a hub's name to a sentence encoder."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterable, Sequence
from pathlib import Path

from rowspace.errors import ConfigError, CorpusError
from rowspace.sentence.calibration import calibration_texts
from rowspace.sentence.encoder import SentenceEncoder, TransformerEmbedding
from rowspace.sentence.folder import Module, SentenceConfig, read_config, read_modules
from rowspace.sentence.pooling import check_poolings
from rowspace.sentence.reading import TokenReader
from rowspace.sentence.runtime import Runtime
from rowspace.sentence.runtime_choice import check_choices, choose_runtime, needs_torch
from rowspace.transformer.model_folder import (
    CONFIG,
    check_folder,
    check_vocabulary,
    digest_of,
    folder_of,
    load_model_tokenizer,
    read_json,
)
from rowspace.transformer.tokenizer import check_text

_LENGTHS = ("max_position_embeddings", "n_positions")
_PADDED_POSITIONS = (
    "roberta",
    "roberta-prelayernorm",
    "xlm-roberta",
    "xlm-roberta-xl",
    "camembert",
    "mpnet",
    "longformer",
    "data2vec-text",
    "ibert",
    "xmod",
)
"""Kinds whose positions begin after the padding's id."""


def load_encoder(
    model: Path | str,
    *,
    max_length: int | None = None,
    truncate_dim: int | None = None,
    dtype: str = "auto",
    runtime: str = "auto",
    device: str | None = None,
    threads: int | None = None,
    deterministic: bool = False,
) -> SentenceEncoder:
    """Read a model that gives texts their vectors.

    Folders of sentence-transformers (both layouts), model2vec and bare transformers are read, ours
    included, whose last states are averaged. On a CPU, OpenVINO runs a transformer where it is
    installed, else torch.

    Parameters
    ----------
    model : path or str
        A folder; or a name on the Hugging Face hub, as "intfloat/e5-small-v2", which is asked only
        where the name is not in its cache.
    max_length : int, optional
        Tokens read at once, special ones included; the model's own if not given.
    truncate_dim : int, optional
        Numbers of a vector that are kept, the first ones; the model's own if not given.
    dtype : {"auto", "float32", "bfloat16", "float16", "int8"}
        What is computed in; vectors are float32. "auto" is bfloat16 where OpenVINO runs it and the
        processor multiplies it itself, else float32. int8 is OpenVINO's alone.
    runtime : {"auto", "openvino", "torch"}
    device : str, optional
        A name of torch; anything but cpu is torch's runtime.
    threads : int, optional
        That compute; as many as there are cores if not given. Given, texts are tokenised on one
        thread, beside the computing where there are two or more, and not on every core.
    deterministic : bool
        Whether a text's vector is to be the same whichever texts are encoded with it.

    Raises
    ------
    FormatError
        If there is no such model, or its folder is damaged or holds what is not read.
    ConfigError
        If a setting cannot be.
    MissingExtraError
        If a package that the model needs is missing.

    Examples
    --------
    >>> encoder = rowspace.load_encoder("models/minilm")
    >>> encoder.encode(["a text"]).shape
    (1, 384)
    """
    check_choices(dtype, runtime, threads)
    folder = folder_of(model)
    modules = read_modules(folder)
    if modules[0].kind == "StaticEmbedding":
        from rowspace.sentence.static_files import load_static_encoder

        _check_is_for_tables(dtype, runtime, device)
        return load_static_encoder(folder, modules, str(model), max_length, truncate_dim)
    home, config = transformer_in(folder, modules, str(model), max_length)
    if truncate_dim is not None:
        config = dataclasses.replace(config, truncate_dim=truncate_dim)
    return _load(folder, home, config, dtype, runtime, device, threads, deterministic)


def load_pooled(model: Path | str, poolings: Sequence[str]) -> SentenceEncoder:
    """Read a transformer whose last states are pooled, and nothing done to them afterwards.

    Parameters
    ----------
    model : path or str
        As `load_encoder` takes it; of an embedder's folder, its transformer.
    poolings : sequence of str
        Of `POOLINGS`; several are put side by side.

    Raises
    ------
    ConfigError
        If there is no such pooling, or the model is a table of vectors, which has no states.
    FormatError, MissingExtraError
        As `load_encoder`.
    """
    check_poolings(poolings)
    folder = folder_of(model)
    modules = read_modules(folder)
    if modules[0].kind == "StaticEmbedding":
        raise ConfigError(
            f"{folder} is a table of vectors, which has no states to pool; leave the pooling out"
        )
    home, config = transformer_in(folder, modules, str(model))
    bare = dataclasses.replace(
        config,
        poolings=tuple(poolings),
        dense=(),
        normalize=False,
        truncate_dim=None,
        ranges=None,
    )
    return _load(folder, home, bare, "auto", "auto", None, None, False)


def _load(
    folder: Path,
    home: Path,
    config: SentenceConfig,
    dtype: str,
    runtime: str,
    device: str | None,
    threads: int | None,
    deterministic: bool,
) -> SentenceEncoder:
    """The encoder of the transformer at `home`."""
    tokenizer = load_model_tokenizer(home)
    reader = TokenReader(
        tokenizer, config.max_length, lowercase=config.lowercase, one_by_one=threads is not None
    )
    runs = choose_runtime(
        lambda: _openvino_runtime(home, config, reader, dtype, threads),
        lambda: _torch_runtime(home, config, dtype, device, threads),
        dtype,
        runtime,
        device,
    )
    check_vocabulary(home, tokenizer, runs.n_rows)
    weights = functools.partial(digest_of, home, "")
    embedding = TransformerEmbedding(runs, reader, config.poolings, weights)
    return SentenceEncoder(
        embedding, config, folder=folder, deterministic=deterministic, is_alone=threads == 1
    )


def quantize_model(model: Path | str, texts: Iterable[str] | None = None) -> Path:
    """Write the int8 export of a model, which `load_encoder(model, dtype="int8")` runs, anew.

    Its ranges are found by texts: the better they are like those it will read, the nearer its
    vectors are to the exact ones.

    Parameters
    ----------
    model : path or str
        As `load_encoder` takes it.
    texts : iterable of str, optional
        Some hundred; plain sentences of many kinds if not given.

    Returns
    -------
    Path
        The export's folder.

    Raises
    ------
    CorpusError
        If no text has a token.
    FormatError, ConfigError, MissingExtraError
        As `load_encoder`.
    """
    from rowspace.sentence.exports import quantized

    folder = folder_of(model)
    home, config = transformer_in(folder, read_modules(folder), str(model))
    tokenizer = load_model_tokenizer(home)
    reader = TokenReader(tokenizer, config.max_length, lowercase=config.lowercase)
    sample = _sample(config, reader, calibration_texts() if texts is None else texts)
    if not sample:
        raise CorpusError("no text has a token, and ranges are found by them; give some hundred")
    return quantized(home, config.poolings, lambda: sample, is_new=True).graph.parent


def _check_is_for_tables(dtype: str, runtime: str, device: str | None) -> None:
    """Raise ConfigError for what a static embedder, which is a table, has none of."""
    asked = {"dtype": dtype, "runtime": runtime, "device": device}
    usual = {"dtype": ("auto", "float32"), "runtime": ("auto",), "device": (None, "cpu")}
    for name, value in asked.items():
        if value not in usual[name]:
            raise ConfigError(
                f"{name} is {value!r}, and this model is a table of vectors, which is only looked "
                f"up; leave {name} out"
            )


def transformer_in(
    folder: Path, modules: list[Module], name: str, max_length: int | None = None
) -> tuple[Path, SentenceConfig]:
    """Where the transformer of a sentence embedder's folder is, and how its texts are read.

    Parameters
    ----------
    folder : Path
    modules : list of Module
        As `read_modules` gives them, a transformer first.
    name : str
        What the model is called, for prompts that its folder does not say.
    max_length : int, optional
        As `longest_of`.
    """
    config, home = read_config(folder, modules, name), modules[0].path
    check_folder(home)
    longest = longest_of(home, config.max_length, max_length)
    return home, dataclasses.replace(config, max_length=longest)


def longest_of(home: Path, own: int | None, max_length: int | None) -> int | None:
    """Tokens that a model reads at once: as asked for, else the folder's, else the positions'."""
    if max_length is not None and max_length < 1:
        raise ConfigError(f"max_length is {max_length}; give 1 or more")
    made_for = _positions_of(home)
    if max_length is not None and made_for is not None and max_length > made_for:
        raise ConfigError(
            f"max_length is {max_length:,}, and the model was made for {made_for:,} tokens; give "
            "that or less (on_truncate='chunk' reads longer texts)"
        )
    found = max_length or own or made_for
    return found if made_for is None or found is None else min(found, made_for)


def _positions_of(home: Path) -> int | None:
    """The positions that a transformer has; None for any number."""
    content = read_json(home / CONFIG)
    if "rowspace" in content:
        length = content.get("config", content).get("max_length")
        return None if length is None else int(length)
    length = next((content[name] for name in _LENGTHS if content.get(name)), None)
    if length is not None and content.get("model_type") in _PADDED_POSITIONS:
        length -= content.get("pad_token_id", 1) + 1  # they begin after the padding's
    return None if length is None else int(length)


def _openvino_runtime(
    home: Path, config: SentenceConfig, reader: TokenReader, dtype: str, threads: int | None
) -> Runtime:
    from rowspace.sentence.exports import exported, quantized
    from rowspace.sentence.runtime_openvino import OpenVinoRuntime, best_dtype

    if dtype == "int8":
        sample = functools.partial(_sample, config, reader, calibration_texts())
        export = quantized(home, config.poolings, sample)
    else:
        export = exported(home, config.poolings)
    computed = best_dtype() if dtype == "auto" else dtype
    return OpenVinoRuntime(export.graph, dtype=computed, n_rows=export.n_rows, n_threads=threads)


def _sample(config: SentenceConfig, reader: TokenReader, texts: Iterable[str]) -> list[list[int]]:
    """Token ids of texts, read with each of the prompts in turn."""
    prompts = list(dict.fromkeys([config.prompts.document, *config.prompts.texts.values()]))
    prompted = []
    for number, text in enumerate(texts):
        check_text(text, number)
        prompted.append(prompts[number % len(prompts)] + text)
    return [ids for ids in reader.read(prompted).ids if ids]


def _torch_runtime(
    home: Path, config: SentenceConfig, dtype: str, device: str | None, threads: int | None
) -> Runtime:
    with needs_torch(home):
        from rowspace.sentence.runtime import TorchRuntime
        from rowspace.transformer.load_encoder import load_states

    dtype = "float32" if dtype == "auto" else dtype
    states = load_states(home, dtype=dtype, device=device)
    return TorchRuntime(states, config.poolings, dtype=dtype, n_threads=threads)
