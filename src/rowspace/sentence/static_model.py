"""A static embedder as it is trained: a table of token vectors, with gradients.

Where `SentenceModel` trains a transformer, this trains the table that a text's vector is the mean
of, with the same losses and the same trainer. It can begin with word vectors of any kind.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from numpy.typing import NDArray
from torch import Tensor, nn

from rowspace.errors import ConfigError, FormatError
from rowspace.sentence.encoder import SentenceEncoder
from rowspace.sentence.folder import SentenceConfig, read_modules
from rowspace.sentence.reading import Pieces
from rowspace.sentence.static import StaticEmbedding, StaticTable
from rowspace.sentence.static_files import MAX_LENGTH, load_static, save_static
from rowspace.sentence.word_tokenizer import word_tokenizer
from rowspace.space.vectors import Vectors
from rowspace.transformer.model_folder import folder_of
from rowspace.transformer.tokenizer import SubwordTokenizer


@dataclass(frozen=True)
class TokenBags:
    """Texts as tensors: their tokens one after the other."""

    token_ids: Tensor
    """(n_tokens,) int64."""
    starts: Tensor
    """(B,) int64: where each text begins among them."""

    def __len__(self) -> int:
        return len(self.starts)


class StaticModel(nn.Module):
    """A table of token vectors, averaged.

    Parameters
    ----------
    table : (n_tokens, dim) float32 array
        Copied.
    tokenizer : SubwordTokenizer
    config : SentenceConfig, optional
        Without layers; unit length and 512 tokens if not given.
    drops_unknown : bool
        Whether the token for what is unknown is left out.

    Raises
    ------
    ConfigError
        If the config has layers, which are not trained here.

    Examples
    --------
    >>> vectors = rowspace.Vectors(["a", "text", "another"], np.eye(3, 8, dtype=np.float32))
    >>> model = StaticModel.from_vectors(vectors)
    >>> model(model.read(["a text", "another"])).shape
    torch.Size([2, 8])
    """

    def __init__(
        self,
        table: NDArray[np.float32],
        tokenizer: SubwordTokenizer,
        config: SentenceConfig | None = None,
        *,
        drops_unknown: bool = True,
    ) -> None:
        super().__init__()
        self.n_truncated = 0
        """Texts read so far whose end was not."""
        self.config = config or SentenceConfig(normalize=True, max_length=MAX_LENGTH)
        if self.config.dense:
            raise ConfigError(
                "this static embedder has layers after the mean, which are not trained; give one "
                "without"
            )
        self.tokenizer, self.drops_unknown = tokenizer, drops_unknown
        rows = torch.from_numpy(np.array(table, dtype=np.float32))
        self.table = nn.EmbeddingBag.from_pretrained(rows, freeze=False, mode="mean")

    @classmethod
    def load(
        cls, model: Path | str, *, max_length: int | None = None, device: str | None = None
    ) -> StaticModel:
        """Read a folder of model2vec, or one of sentence-transformers with a StaticEmbedding.

        Parameters
        ----------
        model : path or str
            A folder, or a name on the hub.
        max_length : int, optional
            Tokens read at once; the model's own if not given.
        device : str, optional

        Raises
        ------
        FormatError
            If a file is missing or damaged, or it is no static embedder.
        """
        folder = folder_of(model)
        modules = read_modules(folder)
        if modules[0].kind != "StaticEmbedding":
            raise FormatError(f"{folder} is no static embedder; read it with SentenceModel.load")
        embedding, config = load_static(folder, modules, str(model), max_length)
        rows = embedding.table.of(np.arange(embedding.table.n_tokens))
        found = cls(rows, embedding.tokenizer, config, drops_unknown=embedding.drops_unknown)
        return found.to(device) if device else found

    @classmethod
    def from_vectors(
        cls, vectors: Vectors, tokenizer: SubwordTokenizer | None = None
    ) -> StaticModel:
        """Begin with word vectors; words without any are left out of a text.

        Parameters
        ----------
        vectors : Vectors
        tokenizer : SubwordTokenizer, optional
            Whose tokens the keys are; one without a vector gets zeros. If not given, one that
            cuts texts into words, in lower case; of keys that then are alike the first counts.

        Raises
        ------
        ConfigError
            If none of the tokenizer's tokens is a key.
        """
        tokenizer = word_tokenizer(vectors) if tokenizer is None else tokenizer
        places: dict[str, int] = {}
        for row, key in enumerate(vectors.index_to_key):
            places.setdefault(key, row)
            places.setdefault(key.lower(), row)
        rows = np.array([places.get(token, -1) for token in tokenizer.tokens])
        if not (rows >= 0).any():
            raise ConfigError("no token of the tokenizer is a key of the vectors; give one of them")
        table = np.zeros((len(rows), vectors.dim), dtype=np.float32)
        table[rows >= 0] = vectors.matrix[rows[rows >= 0]]
        return cls(table, tokenizer)

    @property
    def dim(self) -> int:
        """Length of a vector."""
        return self.table.embedding_dim

    @property
    def device(self) -> torch.device:
        """Where the table is."""
        return self.table.weight.device

    @property
    def transformer(self) -> nn.Module:
        """There is none to train small matrices beside."""
        raise ConfigError("a static embedder is trained whole; leave lora_rank at 0")

    def set_config(self, config: SentenceConfig, max_length: int | None = None) -> None:
        """Read texts by other settings, or at another length, from here on."""
        if max_length is not None:
            config = dataclasses.replace(config, max_length=max_length)
        self.config = config
        self.__dict__.pop("_reader", None)

    def read(self, texts: Sequence[str], prompt: str = "") -> TokenBags:
        """Texts as the encoder reads them, on the model's device."""
        pieces = self._reader.read([prompt + text for text in texts])
        self.n_truncated += pieces.n_truncated
        return self.bags(pieces)

    def bags(self, pieces: Pieces) -> TokenBags:
        """What was read, as tensors on the model's device."""
        starts = np.cumsum(pieces.lengths) - pieces.lengths
        tokens = np.fromiter(chain.from_iterable(pieces.ids), np.int64, int(pieces.lengths.sum()))
        return TokenBags(
            torch.from_numpy(tokens).to(self.device), torch.from_numpy(starts).to(self.device)
        )

    def forward(self, inputs: TokenBags) -> Tensor:
        """(B, dim) vectors, of unit length where the config says so; zeros of an empty text."""
        vectors: Tensor = self.table(inputs.token_ids, inputs.starts)
        return F.normalize(vectors, dim=-1) if self.config.normalize else vectors

    @functools.cached_property
    def _reader(self) -> StaticEmbedding:
        """What cuts texts into tokens, made once."""
        return self.embedding

    @property
    def embedding(self) -> StaticEmbedding:
        """The table as it is now, which it shares on a CPU."""
        rows = self.table.weight.detach().cpu().numpy()
        return StaticEmbedding(
            StaticTable(rows),
            self.tokenizer,
            max_length=self.config.max_length,
            drops_unknown=self.drops_unknown,
            weights=lambda: hashlib.sha256(rows.tobytes()).hexdigest(),
        )

    def encoder(self) -> SentenceEncoder:
        """An encoder of the table as it is now, which it shares; for evaluation."""
        return SentenceEncoder(self.embedding, self.config)

    def save(self, folder: Path | str, *, card: str = "", dtype: str = "float32") -> None:
        """Write a folder that model2vec, sentence-transformers and `load_encoder` read.

        Parameters
        ----------
        folder : path
        card : str
            The text of its README.md.
        dtype : {"float32", "float16", "int8"}
            Of the table.
        """
        save_static(self.embedding, self.config, Path(folder), dtype=dtype, card=card)
