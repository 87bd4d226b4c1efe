"""LLM2Vec: a decoder, as LLaMA or one of `rowspace train lm`, made a sentence embedder.

BehnamGhader et al. (2024), https://arxiv.org/abs/2404.05961. Three steps: it is made to see all of
a text, learns to use that by masked next-token prediction, and learns what is alike by contrast:
without labels as SimCSE (Gao et al. 2021, https://arxiv.org/abs/2104.08821), a text read twice
under other dropout, or on pairs. Each step leaves a folder that encodes, so that each can be
measured, and a step that is done is not done again.
Differs from the authors' code: sentences of the corpus itself are what is contrasted, learning
rates fall as half a cosine, and no token that begins texts stands in the blocks of masked
prediction.
"""

from __future__ import annotations

import dataclasses
import random
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from rowspace.errors import ConfigError, CorpusError, FormatError
from rowspace.files import remember, sha256, write_json
from rowspace.progress import track
from rowspace.sentence.example import Example, write_pairs
from rowspace.sentence.finetune import SentenceTrainer
from rowspace.sentence.folder import SentenceConfig
from rowspace.sentence.llm2vec_config import LLM2VecConfig
from rowspace.sentence.loading import longest_of
from rowspace.sentence.model import SentenceModel
from rowspace.sentence.pairs import read_pairs
from rowspace.sentence.saving import CARD
from rowspace.text.corpus import Corpus
from rowspace.text.passages import read_sentences
from rowspace.text.runs import readable_twice, work_folder
from rowspace.transformer.bidirectional import make_bidirectional, make_foreign_bidirectional
from rowspace.transformer.hidden_states import ForeignStates, HiddenStates, OurStates
from rowspace.transformer.load_encoder import load_states
from rowspace.transformer.mntp import stand_in
from rowspace.transformer.mntp_training import MNTPReport, train_mntp
from rowspace.transformer.model import LanguageModel
from rowspace.transformer.model_folder import (
    CONFIG,
    check_folder,
    digest_of,
    folder_of,
    load_model_tokenizer,
    read_json,
)
from rowspace.transformer.pretrain import CHECKPOINT
from rowspace.transformer.tokenizer import SubwordTokenizer
from rowspace.transformer.weights import load_model
from rowspace.transformer.weights.pretrained import is_read

BIDIRECTIONAL, MNTP, CONTRASTIVE = STEPS = ("bidirectional", "mntp", "contrastive")
_SETTINGS, _SENTENCES = "settings.json", "sentences.jsonl"
_FEWEST_WORDS = 4
"""Of a sentence that is contrasted."""


@dataclass(frozen=True)
class LLM2VecReport:
    """What was made."""

    out: Path
    """The folder of the last step, which encodes."""
    steps: tuple[str, ...]
    """Those that were done, in order; each has a folder of its name."""
    done_before: tuple[str, ...]
    """Those of them that an earlier run had done."""
    mntp: MNTPReport | None
    """How masked next-token prediction went, if it was done now."""


def llm2vec(
    model: Path | str,
    corpus: Corpus | Path | str,
    out: Path | str,
    config: LLM2VecConfig | None = None,
    *,
    pairs: Sequence[Path | str] = (),
    resume: bool = False,
) -> LLM2VecReport:
    """Make a sentence embedder of a decoder.

    Parameters
    ----------
    model : path or str
        The folder of a causal language model, ours or of Hugging Face, or its name on the hub.
    corpus : Corpus or path
        To learn from, by masked prediction and in SimCSE.
    out : path
        A folder to be made, with a folder for each step.
    config : LLM2VecConfig, optional
    pairs : sequence of path
        Files of pairs, for `contrastive="supervised"`.
    resume : bool
        Go on with what is in `out`.

    Raises
    ------
    ConfigError
        If a setting cannot work, the model sees all already, `out` exists and is not to be resumed,
        or holds a run of another model, corpus or settings.
    CorpusError
        If the text cannot be read, or is too short.
    FormatError
        If a folder is damaged, or of an architecture that cannot be trained so.
    KeyboardInterrupt
        After Ctrl-C; the run is saved.
    """
    config = config or LLM2VecConfig()
    corpus = corpus if isinstance(corpus, Corpus) else Corpus(corpus)
    folder, out = folder_of(model), Path(out)
    _check(config, pairs, out, resume=resume)
    next(iter(corpus.files()))  # says so if it is not there, before anything is made
    if pairs:
        read_pairs(pairs)  # says what is amiss with them before the long steps
    base = _Base.of(folder, config.mntp_length)
    if config.mntp_steps:
        stand_in(base.tokenizer, config.mask_token)
    states = base.bidirectional(trains=config.mntp_steps > 0)
    _remember(out, base, corpus, config, pairs)
    corpus = readable_twice(corpus, out)
    done_before = tuple(step for step in STEPS if (out / step).exists())
    report, done = None, [BIDIRECTIONAL]
    if BIDIRECTIONAL not in done_before:
        base.save(states, out / BIDIRECTIONAL)
    if config.mntp_steps:
        done.append(MNTP)
        if MNTP not in done_before:
            report = _predict(base, states, corpus, out / MNTP, config)
    if config.contrastive != "none":
        last = out / done[-1]
        done.append(CONTRASTIVE)
        if CONTRASTIVE not in done_before:
            _contrast(last, corpus, out, config, pairs)
    return LLM2VecReport(out / done[-1], tuple(done), done_before, report)


def _check(config: LLM2VecConfig, pairs: Sequence[Any], out: Path, *, resume: bool) -> None:
    if out.exists() and not resume:
        raise ConfigError(f"{out} exists; add --resume to go on with it, or give another --out")
    if config.contrastive == "supervised" and not pairs:
        raise ConfigError("the contrastive step is to be supervised, and no pairs are given")
    if config.contrastive != "supervised" and pairs:
        raise ConfigError(
            f"pairs are given, and contrastive is {config.contrastive!r}; give supervised, or no "
            "pairs"
        )


def _remember(
    out: Path, base: _Base, corpus: Corpus, config: LLM2VecConfig, pairs: Sequence[Path | str]
) -> None:
    """Write down what the run is of, or check that it is the run that is there."""
    out.mkdir(parents=True, exist_ok=True)
    settings = {
        "model": base.digest,
        "corpus": corpus.description(),
        "pairs": [[str(path), sha256(path) if Path(path).is_file() else ""] for path in pairs],
        "config": config.without_machine(),
    }
    if not remember(out / _SETTINGS, settings):
        raise ConfigError(
            f"{out} holds a run of another model, corpus or with other settings, as "
            f"{_SETTINGS} in it tells; give the same, or another --out"
        )


@dataclass(frozen=True)
class _Base:
    """The decoder that all begins with."""

    folder: Path
    tokenizer: SubwordTokenizer
    foreign: dict[str, Any] | None
    """Its config.json where that is Hugging Face's."""
    digest: str
    longest: int
    """Tokens of a text that each step's embedder reads."""

    @classmethod
    def of(cls, folder: Path, longest: int) -> _Base:
        check_folder(folder)
        content = read_json(folder / CONFIG)
        foreign = None if "rowspace" in content else content
        made_for = longest_of(folder, None, None) or longest
        tokenizer = load_model_tokenizer(folder)
        return cls(folder, tokenizer, foreign, digest_of(folder, ""), min(longest, made_for))

    def bidirectional(self, *, trains: bool) -> HiddenStates | LanguageModel:
        """The model, made to see all; with its head where we have the modules."""
        if self.foreign is None or is_read(self.folder):
            return self._ours()
        if trains:
            raise FormatError(
                f"{self.folder}: a {self.foreign.get('model_type')} model is run by the "
                "transformers library, and masked prediction trains LLaMA, Mistral, Qwen2, Phi-3 "
                "and GPT-2 alone; give 0 for mntp_steps"
            )
        states = load_states(self.folder)
        assert isinstance(states, ForeignStates)
        make_foreign_bidirectional(states.model)
        return states

    def _ours(self) -> LanguageModel:
        model = load_model(self.folder)
        if not isinstance(model, LanguageModel) or not model.transformer.causal:
            raise ConfigError(
                f"{self.folder} holds a model that sees all of a text already; give a causal one, "
                "or train this one by `rowspace train sentence`"
            )
        make_bidirectional(model)
        return model

    def save(self, model: HiddenStates | LanguageModel, folder: Path) -> None:
        """Write a folder that encodes: the mean of the last states."""
        states = OurStates(model.transformer) if isinstance(model, LanguageModel) else model
        config = SentenceConfig(max_length=self.longest)
        SentenceModel(states, self.tokenizer, config, foreign=self.foreign).save(folder)


def _predict(
    base: _Base,
    model: HiddenStates | LanguageModel,
    corpus: Corpus,
    folder: Path,
    config: LLM2VecConfig,
) -> MNTPReport:
    """Masked next-token prediction; leaves a folder, and a record beside it."""
    assert isinstance(model, LanguageModel)
    with work_folder(folder, True, (CHECKPOINT,)) as work:
        report = train_mntp(model, base.tokenizer, corpus, work, config.mntp, identity=base.digest)
        write_json(folder.with_name(f"{folder.name}.json"), report.as_dict())
        base.save(model, folder)
    shutil.rmtree(work)
    return report


def _contrast(
    base: Path, corpus: Corpus, out: Path, config: LLM2VecConfig, pairs: Sequence[Path | str]
) -> None:
    """The contrastive step; leaves a folder."""
    sentences, trained = out / _SENTENCES, out / f"{CONTRASTIVE}.trained"
    model = SentenceModel.load(base, device=config.device)
    longest = model.config.max_length
    settings = dataclasses.replace(
        config.finetune, max_length=min(config.longest, longest or config.longest)
    )
    if not trained.exists():
        if not pairs and not sentences.exists():
            n = (settings.steps or 1) * settings.batch_size
            write_pairs(_twins(corpus, n, config.seed), sentences)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(config.seed)  # adapters start as random numbers
            SentenceTrainer(settings).fit(
                model, read_pairs(pairs or sentences), trained, base=base.name, resume=True
            )
    card = (trained / CARD).read_text(encoding="utf-8")
    # It reads as long texts as before, though what it learned of were shorter.
    SentenceModel.load(trained, max_length=longest).save(out / CONTRASTIVE, card=card)
    shutil.rmtree(trained)
    sentences.unlink(missing_ok=True)


def _twins(corpus: Corpus, n: int, seed: int) -> Iterator[Example]:
    """At most `n` sentences from all over a corpus, each with itself (Vitter 1985, algorithm R)."""
    draw = random.Random(seed)  # noqa: S311
    kept: list[str] = []
    with track("choosing sentences") as tracker:
        for i, sentence in enumerate(_long_enough(corpus)):
            if len(kept) < n:
                kept.append(sentence)
            elif (place := draw.randrange(i + 1)) < n:
                kept[place] = sentence
            if i % 1000 == 0:
                tracker.advance(1000, f"{i:,} sentences")
    if not kept:
        raise CorpusError(
            f"no sentence of the corpus has {_FEWEST_WORDS} words, so there is nothing to "
            "contrast; give more text, or contrastive='none'"
        )
    draw.shuffle(kept)
    for sentence in kept:
        yield Example(sentence, sentence)


def _long_enough(corpus: Corpus) -> Iterator[str]:
    for sentence in read_sentences(corpus):
        if len(sentence.split(maxsplit=_FEWEST_WORDS)) >= _FEWEST_WORDS:
            yield sentence
