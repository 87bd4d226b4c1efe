"""What a model is, told from its files without loading a weight."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from rowspace.errors import FormatError
from rowspace.evaluate.compare.outcome import Era
from rowspace.sentence.folder import read_modules
from rowspace.sentence.kinds import (
    has_modules,
    is_text_encoder,
    is_transformer,
    told_of_the_name,
)
from rowspace.space import folder as vectors_folder
from rowspace.space.formats import recognise
from rowspace.space.safetensors_files import read_header
from rowspace.transformer.model_folder import CONFIG, RECORD, folder_of, read_json

Form = Literal["words", "table", "transformer", "embedder"]
"""Word vectors; a table of subwords' vectors; states of a transformer; a trained embedder."""

_METHODS = {
    "word2vec": "word2vec",
    "glove": "GloVe",
    "fasttext": "fastText",
    "fasttext-text": "fastText",
    "distilled": "distilled static",
}
_DECODERS = {"llama", "mistral", "mixtral", "qwen2", "qwen3", "phi", "phi3", "gemma", "gemma2"}
_DECODERS |= {"gemma3_text", "gpt2", "gpt_neo", "gpt_neox", "gptj", "opt", "bloom", "falcon"}
_DECODERS |= {"mpt", "stablelm", "olmo", "olmo2", "granite", "smollm3", "starcoder2", "cohere"}
"""Kinds of `transformers` whose tokens see none after them."""
_HEADS = ("ForCausalLM", "LMHeadModel")
_HEAD_BYTES = 1 << 16
"""Of vectors.json, whose metadata come first, before the keys."""


@dataclass(frozen=True, kw_only=True)
class Identity:
    """What a model is."""

    form: Form
    path: Path
    """The file, or the folder that holds the model itself; of a space, its model's."""
    method: str
    """What made it, as "word2vec" or "masked transformer"."""
    era: Era
    can_generate: bool = False
    sees: Literal["causal", "masked", "bidirectional"] = "masked"
    """Of a transformer: what its tokens were made to see, and whether that was changed since."""


def identify(model: str) -> Identity:
    """Tell what a path or a hub's name holds.

    Raises
    ------
    FormatError
        If nothing is there, or nothing that gives vectors.
    """
    path = Path(model)
    if path.is_file():
        return _words(path, _METHODS.get(recognise(path).name, "word vectors"))
    if not path.exists():
        with told_of_the_name(model):
            path = folder_of(model)
    if (path / "space.json").exists():
        return _of_space(path)
    return _of_folder(path)


def transformer_identity(model: Identity) -> Identity:
    """An embedder's transformer, without what its training put behind it."""
    home = read_modules(model.path)[0].path
    return replace(_of_transformer(home), path=model.path)


def _of_space(path: Path) -> Identity:
    for home in (*vectors_folder.models_of(path), path / "model"):
        if home.is_dir():
            return _of_folder(home)
    raise FormatError(
        f"the space {path} holds no model, so it is not whole; run `rowspace repair {path}`"
    )


def _of_folder(path: Path) -> Identity:
    if has_modules(path) and read_modules(path)[0].kind != "StaticEmbedding":
        return Identity(form="embedder", path=path, method="sentence embedder", era="sentence")
    if not has_modules(path) and is_transformer(path):
        return _of_transformer(path)
    if is_text_encoder(path):
        return Identity(form="table", path=path, method=_table_method(path), era="static")
    if vectors_folder.is_in(path):
        return _words(path, _folder_method(path))
    if (path / CONFIG).exists():
        read_json(path / CONFIG)  # says what is amiss with it
    raise FormatError(
        f"the folder {path} holds no model: no vectors that save wrote, no {CONFIG} of a "
        "transformer, no modules.json of sentence-transformers; give another"
    )


def _words(path: Path, method: str) -> Identity:
    return Identity(form="words", path=path, method=method, era="static")


def _of_transformer(home: Path) -> Identity:
    config = read_json(home / CONFIG)
    is_ours = "rowspace" in config
    is_decoder = config.get("kind") == "lm" if is_ours else config.get("model_type") in _DECODERS
    sees: Literal["causal", "masked", "bidirectional"] = "masked"
    if is_decoder:
        sees = "bidirectional" if config.get("is_causal") is False else "causal"
    classes = config.get("architectures") or []
    has_head = is_ours or any(str(name).endswith(_HEADS) for name in classes)
    return Identity(
        form="transformer",
        path=home,
        method=f"{sees} transformer",
        era="contextual",
        can_generate=sees == "causal" and has_head,
        sees=sees,
    )


def _table_method(path: Path) -> str:
    if (path / RECORD).exists():
        return "static embedder, trained"
    home = read_modules(path)[0].path
    weights = next((found for found in home.glob("*.safetensors")), None)
    # model2vec distils its tables, and calls them so; sentence-transformers does not.
    is_model2vec = weights is not None and "embeddings" in read_header(weights)[0]
    return "distilled static" if is_model2vec else "static embedder"


def _folder_method(path: Path) -> str:
    metadata = _metadata(path)
    steps = [str(step) for step in metadata.get("transforms", [])]
    return ", ".join([_METHODS.get(str(metadata.get("method")), "word vectors"), *steps])


def _metadata(path: Path) -> dict[str, Any]:
    """The metadata of vectors, without the keys that follow; nothing where they are not short."""
    try:
        with (path / vectors_folder.KEYS).open(encoding="utf-8", errors="replace") as file:
            head = file.read(_HEAD_BYTES)
        start = head.index('"metadata":') + len('"metadata":')
        found, _ = json.JSONDecoder().raw_decode(head[start:].lstrip())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
