"""Sentence encoders and other transformers as what cuts texts: neither torch nor the model is loaded.

Ids are those that the model reads: its prompt before the text, its special tokens around both, and
no more than it reads at once.
"""  # noqa: E501

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rowspace.errors import ConfigError, VocabularyError
from rowspace.explore.token_reading import Part, Reading, RowView, Token
from rowspace.explore.token_table import Table, nearest_rows, token_table
from rowspace.sentence.folder import SentenceConfig, read_modules
from rowspace.sentence.loading import transformer_in
from rowspace.sentence.reading import TokenReader
from rowspace.sentence.static_files import load_static
from rowspace.text.tokenizer import spanned_words
from rowspace.transformer.model_folder import load_model_tokenizer
from rowspace.transformer.token_names import bytes_of, token_names
from rowspace.transformer.tokenized import Tokenized
from rowspace.transformer.tokenizer import SubwordTokenizer

ReadIds = Callable[[str], list[int]]


class SubwordTokens:
    """A `TokenModel` of a tokenizer and a table of token vectors; `read_subwords` makes one.

    Parameters
    ----------
    tokenizer : SubwordTokenizer
    read_ids : callable
        Gives the ids that the model reads of a text.
    config : SentenceConfig
    table : Table or None
        None where the model's file has none that is known.
    is_static : bool
        Whether the model is a table alone, which reads no special tokens around a text.
    ignored : int or None
        A token that the model leaves out.
    """

    kind = "subwords"

    def __init__(
        self,
        tokenizer: SubwordTokenizer,
        read_ids: ReadIds,
        config: SentenceConfig,
        table: Table | None,
        *,
        is_static: bool = False,
        ignored: int | None = None,
    ) -> None:
        self.tokenizer, self.read_ids, self.config = tokenizer, read_ids, config
        self.table, self.is_static, self.ignored = table, is_static, ignored

    @property
    def n_rows(self) -> int:
        """Tokens."""
        return self.tokenizer.vocab_size

    @property
    def dim(self) -> int | None:
        """Numbers of a row."""
        return None if self.table is None else self.table.dim

    @property
    def prompts(self) -> Mapping[str, str]:
        """As `TokenModel.prompts`; those that say nothing are left out."""
        return {name: text for name, text in self.config.prompts.texts.items() if text}

    def read(self, text: str, prompt: str = "") -> Reading:
        """As `TokenModel.read`.

        Raises
        ------
        VocabularyError
            If the text has a character that is not in a vocabulary of characters.
        """
        whole = self._cased(prompt + text)
        ids = self.read_ids(prompt + text)
        tokenized = self.tokenizer.locate(whole)
        n_prompt = len(self._cased(prompt))
        spans = [span for _, span in spanned_words(whole)]
        before, after = ((), ()) if self.is_static else (tokenized.before, tokenized.after)
        n_read = len(ids) - len(before) - len(after)
        tokens = self._around(before)
        tokens += self._inside(tokenized, n_read, n_prompt, spans)
        tokens += self._around(after)
        n_words = sum(start >= n_prompt for start, _ in spans)
        return Reading(tokens, n_words, self.config.max_length, prompt)

    def _inside(
        self, tokenized: Tokenized, n_read: int, n_prompt: int, spans: Sequence[tuple[int, int]]
    ) -> list[Token]:
        """The tokens of prompt and text, of which the model reads the first `n_read`."""
        starts = np.array([start for start, _ in spans], dtype=np.int64)
        words = np.searchsorted(starts, tokenized.starts, side="right") - 1
        names = token_names(self.tokenizer, tokenized.ids.tolist())
        found = []
        for place, (token_id, name) in enumerate(zip(tokenized.ids.tolist(), names, strict=True)):
            start, word = int(tokenized.starts[place]), int(words[place])
            is_in = word >= 0 and start < spans[word][1]
            is_ignored = token_id == self.ignored
            part: Part = "prompt" if start < n_prompt else "text"
            is_read = n_read > 0 and not is_ignored
            found.append(self._token(token_id, name, part, word if is_in else -1, is_read))
            n_read -= not is_ignored
        return found

    def _around(self, token_ids: Sequence[int]) -> list[Token]:
        """Special tokens around a text, which stay where the text is cut."""
        names = token_names(self.tokenizer, token_ids)
        pairs = zip(token_ids, names, strict=True)
        return [self._token(token_id, name, "special", -1, True) for token_id, name in pairs]

    def _token(self, token_id: int, name: str, part: Part, word: int, is_read: bool) -> Token:
        key = self.tokenizer.tokens[token_id]
        return Token(self._shown(name, key), token_id, key, part, word, is_read)

    def _shown(self, name: str, key: str) -> str:
        """A piece of a character as its bytes: "ðŁ" says less than F0 9F."""
        data = bytes_of(key) if name == key else None
        if data is None or _is_text(data):
            return name
        return " ".join(f"{byte:02X}" for byte in data)

    def vectors(self, tokens: list[Token]) -> NDArray[np.float32] | None:
        """As `TokenModel.vectors`."""
        if self.table is None:
            return None
        return self.table.of(np.array([token.row for token in tokens], dtype=np.int64))

    def row(self, row: int, k: int) -> RowView:
        """As `TokenModel.row`."""
        if not 0 <= row < self.n_rows:
            raise ConfigError(f"row is {row:,}; give one of 0 to {self.n_rows - 1:,}")
        key = self.tokenizer.tokens[row]
        text = self._shown(token_names(self.tokenizer, [row])[0], key)
        if self.table is None:
            return RowView(row, text, key, None, [])
        near, n_compared = nearest_rows(self.table, row, k)
        near = [(other, cosine) for other, cosine in near if other < self.n_rows]
        return RowView(
            row,
            text,
            key,
            self.table.of(np.array([row]))[0],
            [(other, self.row_name(other), cosine) for other, cosine in near],
            n_compared,
        )

    def row_name(self, row: int) -> str:
        """A token as it is shown."""
        return self._shown(token_names(self.tokenizer, [row])[0], self.tokenizer.tokens[row])

    def word(self, word: str, k: int) -> RowView:
        """As `TokenModel.word`, by the vocabulary's spelling."""
        if word not in self.tokenizer.tokens:
            raise VocabularyError(f"{word!r} is no token of this model; give one as it spells it")
        return self.row(self.tokenizer.tokens.index(word), k)

    def _cased(self, text: str) -> str:
        return text.lower() if self.config.lowercase else text


def read_subwords(folder: Path) -> SubwordTokens:
    """The tokens of a sentence encoder's folder, or a bare transformer's.

    Raises
    ------
    FormatError
        If a file is missing or damaged.
    MissingExtraError
        If the `tokenizers` package is not installed.
    """
    modules = read_modules(folder)
    if modules[0].kind == "StaticEmbedding":
        embedding, config = load_static(folder, modules, str(folder))
        ignored = embedding.tokenizer.model_unknown_id if embedding.drops_unknown else None
        return SubwordTokens(
            embedding.tokenizer,
            lambda text: embedding.read([text]).ids[0],
            config,
            embedding.table,
            is_static=True,
            ignored=ignored,
        )
    home, config = transformer_in(folder, modules, str(folder))
    tokenizer = load_model_tokenizer(home)
    reader = TokenReader(tokenizer, config.max_length, lowercase=config.lowercase)
    table = token_table(home, tokenizer.vocab_size)
    return SubwordTokens(tokenizer, lambda text: reader.read([text]).ids[0], config, table)


def _is_text(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True
