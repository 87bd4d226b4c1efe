"""A static embedder out of a transformer: each token read by itself, then fitted to the teacher.

Tulkens & van Dongen (2024), https://github.com/MinishLab/model2vec: every token of the teacher's
vocabulary is read alone, and the vectors are cut to their principal axes and weighted as SIF does
(Arora et al. 2017, https://openreview.net/forum?id=SyK00v5xx). Given a corpus, the table is then
fitted so that the means of its rows point where the teacher's vectors of whole sentences do, as
their tokenlearn does.
Differs from them: p of the weights is counted in the corpus where there is one, the axes are those
of the sentences' vectors, and the loss is the cosine.
"""

from __future__ import annotations

import dataclasses
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rowspace.errors import ConfigError
from rowspace.progress import track
from rowspace.sentence.distill_config import StaticDistillConfig
from rowspace.sentence.distill_texts import SENTENCES, DistillTexts, draw_texts, teacher_vectors
from rowspace.sentence.encoder import SentenceEncoder, TransformerEmbedding
from rowspace.sentence.folder import SentenceConfig
from rowspace.sentence.reading import Pieces
from rowspace.sentence.static_files import MAX_LENGTH
from rowspace.sentence.static_fit import fit_table
from rowspace.sentence.static_model import StaticModel
from rowspace.sentence.word_tokenizer import with_words
from rowspace.space.transforms import AffineMap, all_but_the_top, pca
from rowspace.text.corpus import Corpus
from rowspace.text.runs import readable_twice, remember_run, work_folder
from rowspace.transformer.tokenizer import SubwordTokenizer
from rowspace.version import __version__

_TOKENS_AT_ONCE = 4096


@dataclass(frozen=True)
class StaticDistillReport:
    """What was made, and how near it is to its teacher."""

    n_tokens: int
    """Of the table, whole words included."""
    n_words: int
    """Whole words among them."""
    dim: int
    n_texts: int
    """Sentences that the teacher read; 0 without a corpus."""
    agreement_before: float | None
    """Mean cosine to the teacher's vectors, along the axes kept, of sentences that were not fitted
    to, before fitting."""
    agreement: float | None
    """The same in the end."""
    seconds: float


def distill_embedder(
    teacher: SentenceEncoder,
    out: Path | str,
    corpus: Corpus | Path | str | None = None,
    config: StaticDistillConfig | None = None,
    *,
    words: Sequence[str] | None = None,
    resume: bool = False,
    **settings: Any,
) -> StaticDistillReport:
    """Make a static embedder, some fifty times as fast as its teacher.

    Parameters
    ----------
    teacher : SentenceEncoder
        Of a transformer.
    out : path
        A folder to be made, which `load_encoder`, model2vec and sentence-transformers read. A run
        with a corpus works in another beside it, which is removed when all is done.
    corpus : path or Corpus, optional
        Text like that which is to be embedded. Without, tokens are weighted by their rank, and
        nothing is fitted.
    config : StaticDistillConfig, optional
    words : sequence of str, optional
        Whole words that become tokens, in place of the corpus's most frequent ones.
    resume : bool
        Go on with the run that is there.
    **settings
        The config's fields, where no config is given.

    Raises
    ------
    ConfigError
        If the teacher is no transformer, a setting does not fit it, `out` exists, or the run that
        is there is another.
    CorpusError
        If the text cannot be read, or is too little.
    KeyboardInterrupt
        After Ctrl-C; what the teacher has read is kept.

    Examples
    --------
    ::

        teacher = rowspace.load_encoder("models/minilm")
        report = distill_embedder(teacher, "models/fast", "corpus.txt", max_words=10_000)
        rowspace.load_encoder("models/fast").encode(["a text"]).shape  # (1, 256)
    """
    started = time.monotonic()
    if config is not None and settings:
        raise ConfigError("give a config or settings, not both")
    config = config or StaticDistillConfig(**settings)
    _check_teacher(teacher, config)
    out = Path(out)
    with work_folder(out, resume, (SENTENCES,)) as work:
        texts, vectors = None, None
        if corpus is not None:
            corpus = corpus if isinstance(corpus, Corpus) else Corpus(corpus)
            more = {"teacher": teacher.fingerprint}
            remember_run(work, corpus, dataclasses.asdict(config), more, SENTENCES)
            texts = draw_texts(readable_twice(corpus, work), config, work / SENTENCES)
            vectors = teacher_vectors(teacher, texts.sentences, work)
        model, report = _distill(teacher, config, texts, vectors, words)
        report = dataclasses.replace(report, seconds=time.monotonic() - started)
        model.save(out, card=_card(report, config), dtype=config.table_dtype)
    shutil.rmtree(work, ignore_errors=True)
    return report


def _check_teacher(teacher: SentenceEncoder, config: StaticDistillConfig) -> None:
    if not isinstance(teacher.embedding, TransformerEmbedding):
        raise ConfigError("the teacher is a static embedder already; give a transformer")
    if config.dim > teacher.dim:
        raise ConfigError(
            f"dim is {config.dim}, and the teacher's vectors have {teacher.dim} numbers; give "
            "that or less"
        )


def _distill(
    teacher: SentenceEncoder,
    config: StaticDistillConfig,
    texts: DistillTexts | None,
    vectors: NDArray[np.float32] | None,
    words: Sequence[str] | None,
) -> tuple[StaticModel, StaticDistillReport]:
    embedding = teacher.embedding
    assert isinstance(embedding, TransformerEmbedding)
    tokenizer = embedding.reader.tokenizer
    asked = texts.words if words is None and texts is not None else list(words or [])
    added = _new_words(tokenizer, asked, None if words is not None else config.max_words)
    n_before = tokenizer.vocab_size
    known = _token_vectors(teacher, tokenizer)
    is_kept = _kept(tokenizer)
    if added:
        known = np.concatenate([known, _word_vectors(teacher, added)])
        is_kept = np.concatenate([is_kept, np.ones(len(added), dtype=np.bool_)])
        tokenizer = with_words(tokenizer, added)
    axes = pca(known[is_kept] if vectors is None else vectors, config.dim)
    table = _cut(known, is_kept, axes, config)
    settings = SentenceConfig(
        normalize=True, max_length=MAX_LENGTH, lowercase=False, similarity="cosine"
    )
    model = StaticModel(table, tokenizer, settings)
    before = after = None
    if texts is None or vectors is None:
        _weigh(model, _zipf_shares(is_kept), config.sif)
    else:
        pieces = model.embedding.read(texts.sentences)
        _weigh(model, _counted_shares(pieces, len(is_kept)), config.sif)
        before, after = fit_table(model, pieces, axes.apply(vectors), config)
    report = StaticDistillReport(
        n_tokens=tokenizer.vocab_size,
        n_words=tokenizer.vocab_size - n_before,
        dim=config.dim,
        n_texts=0 if texts is None else len(texts.sentences),
        agreement_before=before,
        agreement=after,
        seconds=0.0,
    )
    return model, report


# Tokens as the teacher reads them


def _token_vectors(teacher: SentenceEncoder, tokenizer: SubwordTokenizer) -> NDArray[np.float32]:
    """(vocab_size, dim) of each token alone between the special tokens of a text."""
    around = tokenizer.read(["a"])[0]  # of an empty text nobody could tell what stands after it
    ids = [[*around.before, i, *around.after] for i in range(tokenizer.vocab_size)]
    lengths = np.fromiter(map(len, ids), np.int64, len(ids))
    return _vectors(teacher, Pieces(ids, np.arange(len(ids)), lengths, 0), "reading tokens")


def _word_vectors(teacher: SentenceEncoder, words: Sequence[str]) -> NDArray[np.float32]:
    return _vectors(teacher, teacher.embedding.read(words, "warn"), "reading words")


def _vectors(teacher: SentenceEncoder, pieces: Pieces, what: str) -> NDArray[np.float32]:
    """(n_pieces, dim), through the teacher's layers, not of unit length."""
    found = np.zeros((len(pieces.ids), teacher.embedding.dim), dtype=np.float32)
    with track(what, len(found)) as tracker:
        for start in range(0, len(found), _TOKENS_AT_ONCE):
            part = slice(start, start + _TOKENS_AT_ONCE)
            some = Pieces(pieces.ids[part], pieces.text_ids[part], pieces.lengths[part], 0)
            for rows, vectors in teacher.embedding.vectors(some, 0, False):
                found[start + rows] = vectors
            tracker.advance(len(some.ids))
    for layer in teacher.config.dense:
        found = layer(found)
    return found[:, : teacher.dim]


def _kept(tokenizer: SubwordTokenizer) -> NDArray[np.bool_]:
    """Which tokens stand for text: not the special ones, nor those that a model has to spare."""
    special = tokenizer.special_tokens
    return np.array(
        [token not in special and not token.startswith("[unused") for token in tokenizer.tokens],
        dtype=np.bool_,
    )


def _new_words(tokenizer: SubwordTokenizer, words: Sequence[str], n: int | None) -> list[str]:
    """Those that the tokenizer cuts into several pieces, each once; `n` at most."""
    if n == 0 or not words:
        return []
    known = set(tokenizer.tokens)
    several = [len(ids) > 1 for ids in tokenizer.encode_batch(words)]
    pairs = zip(words, several, strict=True)
    return [*dict.fromkeys(word for word, is_cut in pairs if is_cut and word not in known)][:n]


# Their vectors cut and weighted


def _cut(
    vectors: NDArray[np.float32],
    is_kept: NDArray[np.bool_],
    axes: AffineMap,
    config: StaticDistillConfig,
) -> NDArray[np.float32]:
    """Tokens' vectors about their own mean, along the axes; zeros where a token is left out."""
    kept = vectors[is_kept]
    centered = all_but_the_top(kept, config.remove_top).apply(kept)
    table = np.zeros((len(vectors), config.dim), dtype=np.float32)
    table[is_kept] = centered @ axes.matrix
    return table


def _zipf_shares(is_kept: NDArray[np.bool_]) -> NDArray[np.float64]:
    """(n_tokens,) by Zipf's law, as vocabularies begin with what is frequent; 0 if left out."""
    shares = np.zeros(len(is_kept))
    shares[is_kept] = 1 / np.arange(2, 2 + is_kept.sum())  # as model2vec, which begins with 2
    return np.asarray(shares / shares.sum())


def _counted_shares(pieces: Pieces, n_tokens: int) -> NDArray[np.float64]:
    """(n_tokens,) of all texts that have a token; each counts one more than it was met."""
    counts = np.ones(n_tokens)
    for ids in pieces.ids:
        counts[list(set(ids))] += 1
    return np.asarray(counts / counts.sum())


def _weigh(model: StaticModel, shares: NDArray[np.float64], a: float) -> None:
    """SIF: a / (a + p)."""
    if a:
        rows = model.table.weight.data
        rows *= rows.new_tensor((a / (a + shares))[:, None])


def _card(report: StaticDistillReport, config: StaticDistillConfig) -> str:
    lines = [
        "---",
        "library_name: model2vec",
        "tags: [model2vec, sentence-transformers, static-embeddings, rowspace]",
        "---",
        "# A static embedder",
        "",
        f"Distilled with Rowspace {__version__}: {report.n_tokens:,} tokens, {report.n_words:,} of "
        f"them whole words added, of {report.dim} numbers.",
        "",
        "```python",
        "import rowspace as rs",
        'encoder = rs.load_encoder("this folder")  # or StaticModel, or SentenceTransformer',
        'encoder.encode(["a text"])',
        "```",
    ]
    if report.agreement is not None:
        lines += [
            "",
            f"Fitted to the teacher's vectors of {report.n_texts:,} sentences; of others, its "
            f"vectors have a mean cosine of {report.agreement:.3f} to the teacher's, along the "
            "axes kept.",
        ]
    settings = [f"- `{name}`: {value!r}" for name, value in dataclasses.asdict(config).items()]
    return "\n".join([*lines, "", "## Settings", "", *settings]) + "\n"
