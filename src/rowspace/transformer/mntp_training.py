"""A decoder that sees all is trained to use it: masked next-token prediction on a corpus.

BehnamGhader et al. (2024), https://arxiv.org/abs/2404.05961, section 2.1 and appendix D.1. Runs as
pretraining does: checkpoints, a held-out loss, the same bits after an interrupt. Differs from the
authors' code: the learning rate falls as half a cosine, to a tenth.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from rowspace.errors import ConfigError
from rowspace.text.corpus import Corpus
from rowspace.text.runs import readable_twice, remember_run
from rowspace.transformer.gradients import make_gradients
from rowspace.transformer.held_out import HeldOutText
from rowspace.transformer.lora import Trained, add_lora, count_trained, merge_lora
from rowspace.transformer.mntp import MaskedNextToken, stand_in
from rowspace.transformer.mntp_config import MNTPConfig
from rowspace.transformer.model import LanguageModel
from rowspace.transformer.objectives import Sample
from rowspace.transformer.pretrain import (
    CHECKPOINT,
    TOKENS,
    check_length,
    device_of,
    limited_threads,
    memory_errors,
    optimizer_for,
    precision_of,
)
from rowspace.transformer.pretrain_config import PretrainConfig
from rowspace.transformer.tokenizer import SubwordTokenizer
from rowspace.transformer.tokens import DESCRIPTION, TokenFile, load_tokens, prepare_tokens
from rowspace.transformer.training import Entry, HeldOut, Parts, Run

_N_SAMPLES = 2


@dataclass(frozen=True)
class MNTPReport:
    """How the training went."""

    config: MNTPConfig
    mask_token: str
    """That stood where one was hidden."""
    trained: Trained
    n_steps: int
    n_tokens_seen: int
    seconds: float
    """Of the steps."""
    precision: str
    history: Sequence[Entry]
    held_out: Sequence[HeldOut]
    """The loss of a part of the text that was held out, the first before any step."""
    samples: Sequence[Sample]

    def as_dict(self) -> dict[str, Any]:
        """All of it, as JSON can hold it."""
        return dataclasses.asdict(self)


def train_mntp(
    model: LanguageModel,
    tokenizer: SubwordTokenizer,
    corpus: Corpus,
    work: Path,
    config: MNTPConfig | None = None,
    *,
    identity: str = "",
) -> MNTPReport:
    """Train a bidirectional language model, in place; adapters are merged in the end.

    Parameters
    ----------
    model : LanguageModel
        As `make_bidirectional` left it, not trained since.
    tokenizer : SubwordTokenizer
    corpus : Corpus
    work : Path
        The run's folder, made if missing. Token ids and checkpoints are in it; what is there is
        gone on with.
    config : MNTPConfig, optional
    identity : str
        What tells the model from another, such as a digest.

    Raises
    ------
    ConfigError
        If the model is causal, no token can stand for a hidden one, or the folder holds a run of
        another model, text or settings.
    CorpusError
        If the text cannot be read, or is too short.
    TrainingError
        If training diverged.
    KeyboardInterrupt
        After Ctrl-C; the run is saved.
    """
    config = config or MNTPConfig()
    if model.transformer.causal:
        raise ConfigError(
            "the model is causal, so nothing after a token could help to tell it; make it see all "
            "first, by make_bidirectional"
        )
    objective = MaskedNextToken(stand_in(tokenizer, config.mask_token))
    more = {"objective": objective.name, "model": identity}
    remember_run(work, corpus, config.without_machine(), more, f"{TOKENS}/{DESCRIPTION}")
    with limited_threads(config.as_pretraining(2, 0.0).threads), memory_errors():
        _adapt(model, config)
        settings = config.as_pretraining(model.config.max_length, _dropout_of(model, config))
        train, held_out = _tokens(corpus, tokenizer, work, config.held_out)
        check_length(train, settings)
        run = _run(model, objective, tokenizer, (train, held_out), settings, identity)
        trained = count_trained(model)
        with contextlib.closing(run.parts.gradients):
            run.fit(work / CHECKPOINT)
        model.eval()
        merge_lora(model)
        shown = held_out if held_out.n_tokens > 1 else train
        return MNTPReport(
            config=config,
            mask_token=tokenizer.tokens[objective.mask_id],
            trained=trained,
            n_steps=run.n_steps,
            n_tokens_seen=run.n_steps * settings.tokens_per_step,
            seconds=run.seconds,
            precision=str(run.precision).removeprefix("torch."),
            history=run.history,
            held_out=run.held_out,
            samples=objective.samples(model, shown.open(), _N_SAMPLES, tokenizer, config.seed),
        )


def _adapt(model: LanguageModel, config: MNTPConfig) -> None:
    """Put in adapters if there are to be any, the same for the same seed."""
    model.train()
    if not config.rank:
        return
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        add_lora(
            model.transformer, rank=config.rank, alpha=config.alpha, dropout=config.lora_dropout
        )
    model.head.requires_grad_(False)


def _dropout_of(model: LanguageModel, config: MNTPConfig) -> float:
    own = max(model.config.dropout, model.config.attention_dropout)
    return max(own, config.lora_dropout if config.rank else 0.0)


def _tokens(
    corpus: Corpus, tokenizer: SubwordTokenizer, work: Path, share: float
) -> tuple[TokenFile, TokenFile]:
    if (work / TOKENS / DESCRIPTION).exists():
        return load_tokens(work / TOKENS)
    return prepare_tokens(readable_twice(corpus, work), tokenizer, work / TOKENS, share)


def _run(
    model: LanguageModel,
    objective: MaskedNextToken,
    tokenizer: SubwordTokenizer,
    files: tuple[TokenFile, TokenFile],
    config: PretrainConfig,
    identity: str,
) -> Run:
    train, held_out = files
    device = device_of(config.device)
    precision = precision_of(config, device)
    model.to(device)
    batches = objective.make_batches(train.open(), tokenizer, config, config.max_length, "random")
    text = HeldOutText.of(held_out, objective, tokenizer, config) if config.held_out else None
    gradients, _ = make_gradients(model, config, precision, record=False)
    unseen = held_out.open()

    def sample() -> str:
        return objective.samples(model, unseen, 1, tokenizer, config.seed)[0].made

    parts = Parts(model, gradients, optimizer_for(model, config), batches, text, None, sample)
    what = {
        "tokens": [train.n_tokens, held_out.n_tokens],
        "tokenizer": tokenizer.fingerprint,
        "model": identity,
    }
    return Run(config, parts, config.n_steps(train.n_tokens), what, precision)
