"""An encoder as MTEB benchmarks one; needs the extra `mteb`.

Muennighoff et al. (2023), https://arxiv.org/abs/2210.07316. Of mteb 2, `EncoderProtocol`.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rowspace.adapters.models import encode_as, open_encoder
from rowspace.errors import ConfigError
from rowspace.evaluate.compare.spec import parse_spec
from rowspace.extras import need
from rowspace.sentence.encoder import SentenceEncoder, pair_similarities, similarities
from rowspace.space.encoder import Encoder

need("mteb", "mteb")

from mteb.models.abs_encoder import get_prompt_name  # noqa: E402
from mteb.models.model_meta import ModelMeta, ScoringFunction  # noqa: E402
from mteb.types import PromptType  # noqa: E402

if TYPE_CHECKING:
    from mteb.abstasks.task_metadata import TaskMetadata


class MtebEncoder:
    """What `mteb.evaluate` takes as a model; `as_mteb` makes one.

    A text is read with the prompt that the model has for the task or its kind (by mteb's names, as
    "Clustering" or "STS-query"), else with that of queries or of documents, else, where texts are
    compared that are neither, as `rowspace eval` reads sentence pairs.

    Parameters
    ----------
    encoder : Encoder
    name : str
        What results are kept under, as "me/my-model".

    Attributes
    ----------
    mteb_model_meta : mteb.ModelMeta
        Its revision is the encoder's fingerprint, so that mteb's cache never gives the results of
        other weights.
    """

    def __init__(self, encoder: Encoder, name: str) -> None:
        self.encoder = encoder
        self.mteb_model_meta = _meta(encoder, name)

    def encode(
        self,
        inputs: Iterable[Any],
        *,
        task_metadata: TaskMetadata,
        hf_split: str = "",
        hf_subset: str = "",
        prompt_type: PromptType | None = None,
        precision: str = "float32",
        **_: Any,
    ) -> NDArray[np.float32]:
        """Vectors of the texts of some batches: (n_texts, dim).

        The encoder makes its own batches and shows its own progress, so mteb's `batch_size` and
        `show_progress_bar` are passed over.

        Raises
        ------
        ConfigError
            If the batches hold no text, or a precision other than float32 is asked for.
        """
        if precision != "float32":
            raise ConfigError(
                f"precision is {precision!r}, and this adapter gives MTEB float32 alone; leave it "
                "out of encode_kwargs"
            )
        return self._encode(_texts(inputs), task_metadata, prompt_type)

    def similarity(self, embeddings1: Any, embeddings2: Any) -> NDArray[np.float32]:
        """How alike each vector of one, (n, dim), is to each of the other, (m, dim): (n, m)."""
        return similarities(embeddings1, embeddings2, _similarity_of(self.encoder))

    def similarity_pairwise(self, embeddings1: Any, embeddings2: Any) -> NDArray[np.float32]:
        """How alike the vectors of each row of two (n, dim) arrays are: (n,)."""
        return pair_similarities(embeddings1, embeddings2, _similarity_of(self.encoder))

    def _encode(
        self, texts: list[str], task: TaskMetadata, prompt_type: PromptType | None
    ) -> NDArray[np.float32]:
        if isinstance(self.encoder, SentenceEncoder):
            prompt = _task_prompt(self.encoder.prompts, task, prompt_type)
            if prompt is not None:
                return self.encoder.encode(texts, prompt=prompt)
        return encode_as(self.encoder, texts, None if prompt_type is None else prompt_type.value)


def as_mteb(model: Encoder | Path | str, name: str | None = None) -> MtebEncoder:
    """A model for `mteb.evaluate`.

    Parameters
    ----------
    model : Encoder, path or str
        See `open_encoder`.
    name : str, optional
        What results are kept under; else "rowspace/" and the folder's name or the encoder's kind.

    Raises
    ------
    ConfigError
        If the name has no owner before a "/", or the model cannot be read as is asked for.
    FormatError
        If there is no such model, or it is damaged.

    Examples
    --------
    >>> model = as_mteb("models/minilm", "me/minilm")
    >>> model.mteb_model_meta.name, model.mteb_model_meta.embed_dim
    ('me/minilm', 384)

    `mteb.evaluate(model, mteb.get_tasks(["STSBenchmark", "SciFact"]))` then fetches the tasks.
    """
    encoder = open_encoder(model)
    return MtebEncoder(encoder, name or f"rowspace/{_short_name(model, encoder)}")


def _short_name(model: Encoder | Path | str, encoder: Encoder) -> str:
    if isinstance(model, Path | str):
        spec = parse_spec(str(model))
        return spec.name or "@".join(filter(None, [spec.short, str(spec.reading)]))
    folder = getattr(encoder, "folder", None)
    return type(encoder).__name__ if folder is None else Path(folder).resolve().name


def _texts(inputs: Iterable[Any]) -> list[str]:
    texts: list[str] = []
    for batch in inputs:
        if "text" not in batch:
            raise ConfigError(
                f"the task's inputs have {', '.join(batch)} and no text; choose tasks of text"
            )
        texts += batch["text"]
    return texts


def _task_prompt(
    prompts: dict[str, str], task: TaskMetadata, prompt_type: PromptType | None
) -> str | None:
    """The prompt that a model has for a task, its kind or the kind of text, if it has one."""
    name = get_prompt_name(prompts, task, prompt_type) or task.type.lower()  # as Nomic's names are
    return prompts.get(name)


def _similarity_of(encoder: Encoder) -> str:
    return encoder.config.similarity if isinstance(encoder, SentenceEncoder) else "cosine"


def _meta(encoder: Encoder, name: str) -> ModelMeta:
    if "/" not in name:
        raise ConfigError(f"{name!r} is no name for mteb; give it an owner, as 'me/{name}'")
    kind = _similarity_of(encoder)
    known = {
        "name": name,
        "revision": encoder.fingerprint,
        "embed_dim": encoder.dim,
        "similarity_fn_name": ScoringFunction("cosine" if kind == "cos_sim" else kind),
        "use_instructions": False,
    }
    if isinstance(encoder, SentenceEncoder):
        known["max_tokens"] = encoder.max_length
        known["use_instructions"] = any(encoder.prompts.values())
    return ModelMeta.create_empty(known)
