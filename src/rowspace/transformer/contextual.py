"""A word's vector in its sentence: another one for each "bank".

Peters et al. (2018), https://aclanthology.org/N18-1202; Devlin et al. (2019), section 5.3. A
model's layers give each token a state; a word's vector is made of the states of its tokens.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rowspace.errors import ConfigError, CorpusError
from rowspace.progress import Tracker, track
from rowspace.transformer.hidden_states import HiddenStates
from rowspace.transformer.layer_mix import LayerMix, Mix
from rowspace.transformer.occurrences import Occurrences, Span, listed, occurrences_of, shown
from rowspace.transformer.reading_options import Pooling, check_on_truncate, check_pooling
from rowspace.transformer.tokenizer import SubwordTokenizer
from rowspace.transformer.windows import Window, best_window, cut

TOKENS_AT_ONCE = 4096
"""Of a batch, padding included."""
_LEAST_TOKENS = 512
_LEAST_SHARE = 0.9
"""Of a batch's longest text, that a text has to have to come along once there are `_LEAST_TOKENS`;
measured on sentences of 2 to 140 words, MiniLM: 1.45 times as fast as batches of any lengths."""


@dataclass(frozen=True)
class WordVectors:
    """Words where they stand, and their vectors there."""

    vectors: NDArray[np.float32]
    """(n, dim), or (n, n_layers, dim) where layers were not mixed."""
    text_ids: NDArray[np.int64]
    """(n,) the text of each, from 0."""
    spans: NDArray[np.int64]
    """(n, 2) its first character in the text, and the one after its last."""
    n_truncated: int = 0
    """Texts whose end was not read."""

    def __len__(self) -> int:
        return len(self.vectors)


class ContextualEncoder:
    """Texts to vectors of their words, by a transformer; `load_encoder` makes one.

    Parameters
    ----------
    states : HiddenStates
        The model.
    tokenizer : SubwordTokenizer
    max_length : int, optional
        Tokens read at once, special ones included; the model's own if not given.
    digest : callable, optional
        Gives what tells the model's weights from others', for `fingerprint`.
    """

    def __init__(
        self,
        states: HiddenStates,
        tokenizer: SubwordTokenizer,
        *,
        max_length: int | None = None,
        digest: Callable[[], str] | None = None,
    ) -> None:
        if max_length is not None and max_length < 1:
            raise ConfigError(f"max_length is {max_length}; give 1 or more")
        self.states, self.tokenizer = states, tokenizer
        if states.max_length is not None and (max_length or 0) > states.max_length:
            raise ConfigError(
                f"max_length is {max_length:,}, and the model was made for {states.max_length:,} "
                "tokens; give that or less (on_truncate='chunk' reads longer texts)"
            )
        self.max_length = max_length or states.max_length
        self._digest = digest

    @property
    def dim(self) -> int:
        """Length of a vector."""
        return self.states.dim

    @property
    def n_layers(self) -> int:
        """Layers after the embeddings, which are layer 0."""
        return self.states.n_layers

    @functools.cached_property
    def fingerprint(self) -> str:
        """SHA-256 of what determines the vectors of `encode`."""
        weights = "" if self._digest is None else self._digest()
        parts = [weights, self.tokenizer.fingerprint, str(self.max_length), "mean"]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()

    def contextual(
        self,
        texts: Iterable[str],
        words: str | Iterable[str] | None = None,
        *,
        spans: Iterable[Span] | Iterable[Sequence[Span]] | None = None,
        layers: int | Sequence[int] = -1,
        mix: Mix = "mean",
        subword_pooling: Pooling = "mean",
        hidden: bool = False,
        on_truncate: str = "warn",
    ) -> WordVectors:
        """The vectors of words in their texts.

        Parameters
        ----------
        texts : iterable of str
        words : str or iterable of str, optional
            One word (or phrase) for all texts, or one for each: every time it occurs, in whatever
            case. Without words and spans, every word of every text.
        spans : iterable, optional
            Instead of words, one span of each text, or a list of them: the word's first character
            and the one after its last.
        layers : int or sequence of int
            0 is the embeddings, -1 the last layer.
        mix : {"mean", "concat", "none"} or sequence of float
            What is made of several layers: their mean, all side by side, an axis of their own, or a
            sum with these weights.
        subword_pooling : {"mean", "first", "last"}
            What is made of a word's several tokens.
        hidden : bool
            Read each word with the model's mask token in its place, so that its vector is of what
            stands around it alone (Melamud et al. 2016, https://aclanthology.org/K16-1006). A text
            is then read once for each of its words.
        on_truncate : {"warn", "error", "chunk"}
            A text longer than `max_length` is cut, with one warning that says how many were; or is
            an error; or is read in windows that overlap, and a word in the one that shows most
            around it.

        Returns
        -------
        WordVectors
            Text by text, as the words stand in them; of spans, in the order they were given. Of
            every word, those that were cut or that the tokenizer leaves out are not there.

        Raises
        ------
        CorpusError
            If a text is empty, or a word stands where the text was cut.
        VocabularyError
            If a word does not occur in its text.
        ConfigError
            If a layer, mix, pooling or span cannot be, or words are to be hidden and the tokenizer
            has no mask token.

        Examples
        --------
        >>> encoder = rowspace.load_encoder("models/minilm")
        >>> encoder.contextual(["a river bank", "a bank loan"], "bank").vectors.shape
        (2, 384)
        """
        texts = listed("texts", texts)
        found = occurrences_of(texts, words, spans)
        every_word = words is None and spans is None
        reading = _Reading(self, texts, on_truncate)
        mixer = LayerMix.of(layers, mix, self.n_layers)
        _, vectors = reading.vectors_of(
            found, mixer, subword_pooling, may_be_cut=every_word, hidden=hidden
        )
        reading.warn()
        return vectors

    def vectors_at(
        self,
        texts: Iterable[str],
        occurrences: Occurrences,
        *,
        layers: int | Sequence[int] = -1,
        mix: Mix = "mean",
        subword_pooling: Pooling = "mean",
        hidden: bool = False,
        on_truncate: str = "warn",
        names: Sequence[str] | None = None,
    ) -> tuple[NDArray[np.int64], WordVectors]:
        """As `contextual`, of places that were found before; without a warning or a bar.

        With `names`, an error calls the texts by them.

        Returns
        -------
        kept : (n,) int64 array
            Which occurrences have a vector: those that were cut off, or are no token, have none.
        vectors : WordVectors
        """
        reading = _Reading(self, texts, on_truncate, names, is_shown=False)
        mixer = LayerMix.of(layers, mix, self.n_layers)
        return reading.vectors_of(
            occurrences, mixer, subword_pooling, may_be_cut=True, hidden=hidden
        )

    def token_states(
        self,
        texts: Iterable[str],
        *,
        layers: int | Sequence[int] = -1,
        mix: Mix = "mean",
        on_truncate: str = "warn",
    ) -> list[NDArray[np.float32]]:
        """The state of every token of each text, special ones included.

        Parameters
        ----------
        texts : iterable of str
        layers, mix
            As `contextual` takes them.
        on_truncate : {"warn", "error"}

        Returns
        -------
        list of (n_tokens, dim) float32 array
            With mix "concat" or "none", dim is that of all layers, one after the other.
        """
        if on_truncate == "chunk":
            raise ConfigError(
                "on_truncate is 'chunk', which gives tokens twice; give warn or error"
            )
        reading = _Reading(self, texts, on_truncate)
        mixer = LayerMix.of(layers, mix, self.n_layers)
        no_token = np.zeros((0, mixer.n_vectors * self.dim), dtype=np.float32)
        found = [no_token] * len(reading.texts)
        for windows, states in reading.batches(reading.windows, mixer):
            for window, state in zip(windows, states, strict=True):
                found[window.text_id] = state[: len(window.ids)].cpu().numpy()
        reading.warn()
        return found

    def encode(self, texts: Iterable[str], *, on_truncate: str = "warn") -> NDArray[np.float32]:
        """One vector a text: the mean of its tokens' last states, special ones included.

        Parameters
        ----------
        texts : iterable of str
        on_truncate : {"warn", "error", "chunk"}
            As `contextual` takes it; of several windows the mean, by their tokens.

        Returns
        -------
        (n_texts, dim) float32 array
            A zero row where a text has no token.
        """
        reading = _Reading(self, texts, on_truncate)
        vectors = reading.means()
        reading.warn()
        return vectors

    def encode_quietly(
        self,
        texts: Iterable[str],
        *,
        on_truncate: str = "warn",
        names: Sequence[str] | None = None,
    ) -> tuple[NDArray[np.float32], int]:
        """As `encode`, and how many texts were cut; without a warning or a bar.

        With `names`, an error calls the texts by them.
        """
        reading = _Reading(self, texts, on_truncate, names, is_shown=False)
        return reading.means(), reading.n_cut


@dataclass(frozen=True)
class _Place:
    """Where a word's tokens are."""

    window: int
    first: int
    """In the window, special tokens counted."""
    after: int


class _Reading:
    """Texts on their way through the model, once."""

    def __init__(
        self,
        encoder: ContextualEncoder,
        texts: Iterable[str],
        on_truncate: str,
        names: Sequence[str] | None = None,
        *,
        is_shown: bool = True,
    ) -> None:
        check_on_truncate(on_truncate)
        self.texts = texts = listed("texts", texts)
        self.encoder, self.on_truncate, self.is_shown = encoder, on_truncate, is_shown
        # Of a text that is cut, one token more than can be read says that it was.
        n_tokens = encoder.max_length if on_truncate == "warn" else None
        self.tokenized = encoder.tokenizer.read(texts, n_tokens)
        self.windows: list[Window] = []
        self.of_text: list[range] = []
        for i, tokenized in enumerate(self.tokenized):
            name = None if names is None else names[i]
            windows = cut(i, tokenized, encoder.max_length, on_truncate, name)
            self.of_text.append(range(len(self.windows), len(self.windows) + len(windows)))
            self.windows += windows
        self.n_cut = sum(map(self._is_cut, range(len(texts))))

    def _is_cut(self, text_id: int) -> bool:
        return self.windows[self.of_text[text_id][-1]].after < len(self.tokenized[text_id])

    def warn(self) -> None:
        """Say how many texts were cut."""
        if self.n_cut:
            which = "text is" if self.n_cut == 1 else "texts are"
            warnings.warn(
                f"{self.n_cut:,} of {len(self.texts):,} {which} longer than "
                f"{self.encoder.max_length:,} tokens, and the rest was not read; "
                "on_truncate='chunk' reads all",
                stacklevel=3,
            )

    def vectors_of(
        self,
        found: Occurrences,
        mixer: LayerMix,
        pooling: str,
        *,
        may_be_cut: bool,
        hidden: bool = False,
    ) -> tuple[NDArray[np.int64], WordVectors]:
        """Which occurrences were read, and their vectors; see `places` for `may_be_cut`."""
        places = self.places(found, may_be_cut=may_be_cut)
        kept = np.array([i for i, place in enumerate(places) if place is not None], dtype=np.int64)
        dim = self.encoder.dim
        vectors = np.zeros((len(kept), mixer.n_vectors * dim), dtype=np.float32)
        wanted = [place for place in places if place is not None]
        if hidden:
            wanted = self.hide(wanted)
        for rows, pooled in self.pool(wanted, mixer, pooling):
            vectors[rows] = pooled
        shape = (-1, len(mixer.layers), dim) if mixer.mix == "none" else vectors.shape
        return kept, WordVectors(
            vectors.reshape(shape), found.text_ids[kept], found.spans[kept], self.n_cut
        )

    def means(self) -> NDArray[np.float32]:
        """The mean of each text's last states, zeros where there are none."""
        mixer = LayerMix.of(-1, "mean", self.encoder.n_layers)
        totals = np.zeros((len(self.texts), self.encoder.dim), dtype=np.float64)
        counts = np.zeros(len(self.texts), dtype=np.int64)
        for windows, states in self.batches(self.windows, mixer):
            for window, state in zip(windows, states, strict=True):
                n = len(window.ids)
                totals[window.text_id] += state[:n].sum(dim=0).cpu().numpy()
                counts[window.text_id] += n
        return (totals / np.maximum(counts, 1)[:, None]).astype(np.float32)

    def places(self, occurrences: Occurrences, *, may_be_cut: bool) -> list[_Place | None]:
        """The tokens of each occurrence; None where they were cut, if they may be.

        Raises
        ------
        CorpusError
            If the tokens were cut and may not be, or there are none.
        """
        found = []
        for text_id, (start, end) in zip(
            occurrences.text_ids.tolist(), occurrences.spans.tolist(), strict=True
        ):
            place = self._place(text_id, start, end)
            if place is None and not may_be_cut:
                raise self._not_read(text_id, start, end)
            found.append(place)
        return found

    def _place(self, text_id: int, start: int, end: int) -> _Place | None:
        first, after = self.tokenized[text_id].tokens_of(start, end)
        if first == after:  # the tokenizer leaves such characters out
            return None
        ids = self.of_text[text_id]
        best = best_window(self.windows, first, after, ids)
        if best is None:
            return None
        window = self.windows[best]
        return _Place(best, window.place_of(first), window.place_of(after))

    def hide(self, places: Sequence[_Place]) -> list[_Place]:
        """Give each word a window of its own, in which one mask token stands for it."""
        mask_id = self.encoder.tokenizer.mask_id
        if mask_id is None:
            raise ConfigError(
                "the model's tokenizer has no mask token, so no word can be hidden; give a masked "
                "model, as BERT is one"
            )
        windows = [self.windows[place.window] for place in places]
        self.windows = [
            dataclasses.replace(
                window,
                ids=np.concatenate([window.ids[: p.first], [mask_id], window.ids[p.after :]]),
            )
            for window, p in zip(windows, places, strict=True)
        ]
        return [_Place(i, place.first, place.first + 1) for i, place in enumerate(places)]

    def _not_read(self, text_id: int, start: int, end: int) -> CorpusError:
        text, tokenized = self.texts[text_id], self.tokenized[text_id]
        word = shown(text[start:end])
        first, after = tokenized.tokens_of(start, end)
        if first == after and not (self._is_cut(text_id) and first == len(tokenized)):
            return CorpusError(
                f"{word} at character {start:,} of text {text_id}, {shown(text)}, is no token of "
                "this model's tokenizer; give another span"
            )
        if self.on_truncate == "chunk":
            return CorpusError(
                f"{word} at character {start:,} of text {text_id} has {after - first:,} tokens, "
                f"more than windows of {self.encoder.max_length:,} are sure to hold; give a "
                "shorter span"
            )
        return CorpusError(
            f"{word} at character {start:,} of text {text_id}, {shown(text)}, is beyond the "
            f"{self.encoder.max_length:,} tokens that are read; give on_truncate='chunk', or a "
            "shorter text"
        )

    def pool(
        self, places: Sequence[_Place], mixer: LayerMix, pooling: str
    ) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float32]]]:
        """The vectors of places, batch by batch: which of them, and (n, dim) vectors."""
        check_pooling(pooling)
        rows_of: dict[int, list[int]] = {}
        for row, place in enumerate(places):
            rows_of.setdefault(place.window, []).append(row)
        wanted = [self.windows[i] for i in rows_of]
        rows_by_window = {id(self.windows[i]): rows for i, rows in rows_of.items()}
        for windows, states in self.batches(wanted, mixer):
            rows = [row for window in windows for row in rows_by_window[id(window)]]
            texts = [j for j, w in enumerate(windows) for _ in rows_by_window[id(w)]]
            pooled = _pool(states, texts, [places[row] for row in rows], pooling)
            yield np.array(rows, dtype=np.int64), pooled.cpu().numpy()

    @torch.inference_mode()
    def batches(
        self, windows: Sequence[Window], mixer: LayerMix
    ) -> Iterator[tuple[list[Window], Tensor]]:
        """Windows of like length together, the longest first, and (B, T, D) float32 states."""
        states = self.encoder.states
        total = sum(len(window.ids) for window in windows)
        with track("reading", total) if self.is_shown else nullcontext(Tracker()) as tracker:
            for batch in batches_of(windows, TOKENS_AT_ONCE):
                token_ids, mask = _padded(batch, states.device)
                if not token_ids.numel():
                    continue
                yield batch, mixer(states.read(token_ids, mask, mixer.layers))
                tracker.advance(sum(len(window.ids) for window in batch))


def batches_of(windows: Sequence[Window], n_tokens: int) -> Iterator[list[Window]]:
    """Windows sorted by length, the longest first, so many at a time as fit in `n_tokens`.

    A batch ends sooner where the next windows are much shorter than its longest: padding costs as
    much as tokens do, and more batches cost little once each has some hundred tokens.
    """
    ordered = sorted(windows, key=lambda window: -len(window.ids))
    start = 0
    while start < len(ordered):
        longest = max(1, len(ordered[start].ids))
        after = start + 1
        while after < len(ordered) and (after + 1 - start) * longest <= n_tokens:
            is_short = len(ordered[after].ids) < _LEAST_SHARE * longest
            if is_short and (after - start) * longest >= _LEAST_TOKENS:
                break
            after += 1
        yield ordered[start:after]
        start = after


def _padded(windows: Sequence[Window], device: torch.device) -> tuple[Tensor, Tensor | None]:
    """(B, T) ids with 0 behind the shorter ones, and False there; None where all are as long."""
    longest = max(len(window.ids) for window in windows)
    ids = np.zeros((len(windows), longest), dtype=np.int64)
    mask = np.zeros(ids.shape, dtype=np.bool_)
    for row, window in enumerate(windows):
        ids[row, : len(window.ids)] = window.ids
        mask[row, : len(window.ids)] = True
    token_ids = torch.from_numpy(ids).to(device)
    return token_ids, None if mask.all() else torch.from_numpy(mask).to(device)


def _pool(states: Tensor, texts: list[int], places: list[_Place], pooling: str) -> Tensor:
    """(n, D): the words' vectors, of (B, T, D) states."""
    if pooling != "mean":
        tokens = [place.first if pooling == "first" else place.after - 1 for place in places]
        return states[texts, tokens]
    counts = [place.after - place.first for place in places]
    tokens = [token for place in places for token in range(place.first, place.after)]
    rows = np.repeat(np.arange(len(places)), counts)
    of_tokens = states[np.repeat(texts, counts), tokens]  # (n_tokens, D)
    totals = of_tokens.new_zeros(len(places), states.shape[-1])
    totals.index_add_(0, torch.from_numpy(rows).to(states.device), of_tokens)
    return totals / totals.new_tensor(counts)[:, None]
