"""Counting the words of a corpus with the workers of a cluster.

What comes out is what `text.vocabulary.scan_corpus` gives, to the byte, whatever the number of
workers. The corpus and the folder must be on a file system that all machines share.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from rowspace.scale.cluster import Cluster
from rowspace.scale.tasks import do_all
from rowspace.text.corpus import Corpus
from rowspace.text.shares import (
    SHARE_BYTES,
    Share,
    begin_counting,
    count_share,
    cut_into_shares,
    join_shares,
    merge_words,
    number_share,
)
from rowspace.text.vocabulary import TokenIds, Vocabulary, VocabularyConfig


def count_words(
    cluster: Cluster,
    corpus: Corpus,
    folder: Path,
    config: VocabularyConfig,
    *,
    share_bytes: int = SHARE_BYTES,
) -> tuple[Vocabulary, TokenIds]:
    """Count the words of a corpus and write its token ids to `folder`, by many processes.

    What was counted before an interrupt is not counted again.

    Parameters
    ----------
    cluster : Cluster
    corpus : Corpus
        Files that every machine sees under the same path.
    folder : Path
        Too. Gets `ids.i32`; meanwhile up to 12 bytes a token, and the words of each share.
    config : VocabularyConfig
    share_bytes : int
        Text that is counted at once. It changes no result.

    Raises
    ------
    ConfigError
        If the text is stdin or a pipe.
    CorpusError, VocabularyError
        As `scan_corpus`.
    ClusterError
        If a machine does not see the folder, or workers die again and again.
    """
    folder = folder.absolute()
    work = folder / "counting"
    shares = cut_into_shares(corpus, share_bytes)
    begin_counting(corpus, shares, work, config)
    sizes = [share.n_bytes for share in shares]
    do_all(cluster, _Count(corpus, shares, work, config.tokenizer), work, sizes, "counting words")
    vocabulary = merge_words(shares, work, config)
    do_all(cluster, _Number(work), work, sizes, "numbering words")
    return vocabulary, join_shares(shares, work, folder / "ids.i32")


@dataclass(frozen=True)
class _Count:
    corpus: Corpus
    shares: list[Share]
    folder: Path
    tokenizer: str

    def __call__(self, number: int) -> None:
        count_share(self.corpus, self.shares[number], self.folder, self.tokenizer)


@dataclass(frozen=True)
class _Number:
    folder: Path

    def __call__(self, number: int) -> None:
        number_share(number, self.folder)
