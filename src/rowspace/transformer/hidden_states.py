"""Token ids to what each layer makes of them, of our transformers and of any of Hugging Face's."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor

from rowspace.errors import FormatError
from rowspace.extras import need
from rowspace.transformer.model import Transformer
from rowspace.transformer.model_folder import CONFIG, read_json


class HiddenStates(Protocol):
    """A model as what reads word vectors from it sees it."""

    @property
    def dim(self) -> int:
        """Length of a state."""

    @property
    def n_layers(self) -> int:
        """Layers after the embeddings."""

    @property
    def n_rows(self) -> int:
        """Token ids that it has rows for."""

    @property
    def max_length(self) -> int | None:
        """Tokens that it can read at once; None for any number."""

    @property
    def device(self) -> torch.device:
        """Where ids have to be."""

    def read(self, token_ids: Tensor, mask: Tensor | None, layers: Sequence[int]) -> list[Tensor]:
        """The states of some layers.

        Parameters
        ----------
        token_ids : (B, T) int64 tensor
        mask : (B, T) bool tensor, optional
            False on padding.
        layers : sequence of int
            From 0, the embeddings.

        Returns
        -------
        list of (B, T, D) tensor
            One for each of `layers`.
        """


class OurStates:
    """Those of a transformer of ours.

    Parameters
    ----------
    model : Transformer
        In evaluation mode.
    """

    def __init__(self, model: Transformer) -> None:
        self.model = model

    @property
    def dim(self) -> int:
        """Length of a state."""
        return self.model.config.dim

    @property
    def n_layers(self) -> int:
        """Layers after the embeddings."""
        return self.model.config.n_layers

    @property
    def n_rows(self) -> int:
        """Token ids that it has rows for."""
        return self.model.embeddings.token.vocab_size

    @property
    def max_length(self) -> int | None:
        """Tokens of its training."""
        return self.model.config.max_length

    @property
    def device(self) -> torch.device:
        """Where it is."""
        return self.model.embeddings.token.weight.device

    def read(self, token_ids: Tensor, mask: Tensor | None, layers: Sequence[int]) -> list[Tensor]:
        """As `HiddenStates.read`; no layer above the highest is gone through."""
        states = self.model.layer_outputs(token_ids, mask=mask, n_layers=max(layers))
        return [states[layer] for layer in layers]


class ForeignStates:
    """Those of a model that the `transformers` library runs.

    Parameters
    ----------
    model : transformers.PreTrainedModel
        Without a head, in evaluation mode.
    """

    def __init__(self, model: Any) -> None:
        self.model = model
        self.config = model.config.get_text_config()

    @property
    def dim(self) -> int:
        """Length of a state."""
        return int(self.config.hidden_size)

    @property
    def n_layers(self) -> int:
        """Layers after the embeddings."""
        return int(self.config.num_hidden_layers)

    @property
    def n_rows(self) -> int:
        """Token ids that it has rows for."""
        return len(self.model.get_input_embeddings().weight)

    @property
    def max_length(self) -> int | None:
        """Positions that it has; RoBERTa's begin after the padding's."""
        length = getattr(self.config, "max_position_embeddings", None)
        if length is None:
            return None
        table = getattr(getattr(self.model, "embeddings", None), "position_embeddings", None)
        padding = getattr(table, "padding_idx", None)
        return int(length) - (0 if padding is None else int(padding) + 1)

    @property
    def device(self) -> torch.device:
        """Where it is."""
        device: torch.device = self.model.device
        return device

    def read(self, token_ids: Tensor, mask: Tensor | None, layers: Sequence[int]) -> list[Tensor]:
        """As `HiddenStates.read`."""
        found = self.model(
            input_ids=token_ids,
            attention_mask=torch.ones_like(token_ids) if mask is None else mask.long(),
            output_hidden_states=True,
        )
        return [found.hidden_states[layer] for layer in layers]


def load_foreign(folder: Path, dtype: torch.dtype) -> ForeignStates:
    """Read a folder with the `transformers` library: safetensors alone, and no code of its own.

    Raises
    ------
    FormatError
        If the library does not know the architecture, it needs code of its own, it is no single
        stack of layers, or a tensor is missing.
    MissingExtraError
        If the library is not installed.
    """
    states = ForeignStates(load_pretrained(folder, dtype, unused=("pooler.",)))
    _check_stack(folder, str(read_json(folder / CONFIG).get("model_type")), states)
    return states


def load_pretrained(
    folder: Path, dtype: torch.dtype, auto: str = "AutoModel", unused: tuple[str, ...] = ()
) -> Any:
    """What `transformers` reads from a folder, in evaluation mode.

    Parameters
    ----------
    folder : Path
    dtype : torch.dtype
    auto : str
        The library's class, which decides the head.
    unused : tuple of str
        Beginnings of the names of tensors that may be missing.

    Raises
    ------
    FormatError, MissingExtraError
        As `load_foreign`.
    """
    content = read_json(folder / CONFIG)
    kind = content.get("model_type")
    transformers = need("transformers")
    if kind not in transformers.CONFIG_MAPPING:
        code = " (it brings code of its own, which is never run)" if content.get("auto_map") else ""
        raise FormatError(
            f"{folder / CONFIG}: the model_type {kind!r} is none that transformers "
            f"{transformers.__version__} knows{code}; give a model of another kind"
        )
    with _quiet(transformers):
        try:
            config = transformers.AutoConfig.from_pretrained(folder, trust_remote_code=False)
            if getattr(config, "is_encoder_decoder", False):
                raise FormatError(
                    f"{folder / CONFIG}: a {kind} model encodes and decodes, and only single "
                    "stacks of layers are read; give a BERT-, GPT- or LLaMA-like one"
                )
            model, report = getattr(transformers, auto).from_pretrained(
                folder,
                dtype=dtype,
                use_safetensors=True,
                trust_remote_code=False,
                local_files_only=True,
                output_loading_info=True,
                ignore_mismatched_sizes=True,  # the report names them, its error does not
            )
        except FormatError:
            raise
        except Exception as error:  # the library raises what it likes
            reason = " ".join(str(error).split())[:200]
            raise FormatError(
                f"{folder}: transformers cannot read this {kind} ({reason}); copy or download "
                "the folder again"
            ) from error
    _check_whole(folder, report, unused)
    return model.eval()


def _check_whole(folder: Path, report: Any, unused: tuple[str, ...]) -> None:
    """Raise where the library made up random tensors, but for those that are not used."""
    names = {*report["missing_keys"], *(name for name, *_ in report["mismatched_keys"])}
    wrong = sorted(name for name in names if not name.startswith(unused))
    if wrong:
        raise FormatError(
            f"{folder}: the tensor {wrong[0]} is missing or of another shape than config.json "
            "says; copy or download the folder again"
        )


def _check_stack(folder: Path, kind: str, states: ForeignStates) -> None:
    """Read one token, and see that each layer gives a state of it."""
    try:
        with torch.inference_mode():
            found = states.read(
                torch.zeros(1, 1, dtype=torch.int64), None, range(states.n_layers + 1)
            )
        widths = {state.shape for state in found}
    except Exception as error:  # by what it is made for: images, sound, several stacks
        raise FormatError(_no_stack(folder, kind)) from error
    if widths != {(1, 1, states.dim)}:
        raise FormatError(_no_stack(folder, kind))


def _no_stack(folder: Path, kind: str) -> str:
    return (
        f"{folder / CONFIG}: a {kind} model is no single stack of layers that reads text; give a "
        "BERT-, GPT- or LLaMA-like one"
    )


class _quiet:  # noqa: N801
    """The library's own bars and warnings, off for a while: our messages say what matters."""

    def __init__(self, transformers: Any) -> None:
        self.logging = transformers.logging

    def __enter__(self) -> None:
        self.level = self.logging.get_verbosity()
        self.had_bar = self.logging.is_progress_bar_enabled()
        self.logging.set_verbosity_error()
        self.logging.disable_progress_bar()

    def __exit__(self, *_: object) -> None:
        self.logging.set_verbosity(self.level)
        if self.had_bar:
            self.logging.enable_progress_bar()
