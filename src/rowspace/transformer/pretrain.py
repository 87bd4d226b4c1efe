"""Pretraining: a corpus in, a language model or a masked one out.

A tokenizer is learned from the corpus or given, the corpus becomes token ids on the disk, and a
model is trained on them as GPT-2 (Radford et al. 2019) or BERT (Devlin et al. 2019). A run works in
a folder beside its result, so that it can stop at any moment and go on.
"""

from __future__ import annotations

import contextlib
import dataclasses
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from rowspace.errors import ConfigError, CorpusError
from rowspace.machine import available_memory, has_native_bfloat16
from rowspace.space.formats import load
from rowspace.text.corpus import Corpus
from rowspace.text.runs import readable_twice, remember_run, work_folder
from rowspace.transformer.distributed import ALONE, World
from rowspace.transformer.embeddings import count_parameters
from rowspace.transformer.gradients import make_gradients
from rowspace.transformer.held_out import HeldOutText
from rowspace.transformer.objectives import Model, NextToken, Objective
from rowspace.transformer.optimizers import make_optimizer
from rowspace.transformer.pretrain_config import PretrainConfig
from rowspace.transformer.pretrained import (
    HeldOutResult,
    Pretrained,
    PretrainReport,
    TextSize,
)
from rowspace.transformer.rows import by_frequency
from rowspace.transformer.start_vectors import check_dim, known_words, start_from
from rowspace.transformer.token_neighbors import compare_tables
from rowspace.transformer.tokenizer import SubwordTokenizer
from rowspace.transformer.tokenizer_training import KINDS
from rowspace.transformer.tokens import DESCRIPTION, TokenFile, load_tokens, prepare_tokens
from rowspace.transformer.training import HeldOut, Parts, Run

TOKENIZER, TOKENS, CHECKPOINT = "tokenizer.json", "tokens", "checkpoint"
_N_SAMPLES = 3
_LEAST_BYTES = 8
"""Of each parameter while training: it and its gradient, in float32."""


class LanguageModelTrainer:
    """Trains a model from nothing on a corpus.

    Parameters
    ----------
    config : PretrainConfig, optional
    objective : Objective
        `NextToken()` makes a `LanguageModel`, `HiddenTokens()` an `Encoder`.
    world : World
        The processes that train together, as `joined()` gives it. Each calls `fit` with the same
        arguments and gets the same result; the first alone reads the corpus and writes `out`,
        whose folder all must see.
    **settings
        The config's fields, where no config is given.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp(), "text.txt")
    >>> _ = path.write_text("the cat sat on the mat, the dog sat on the log\\n" * 200)
    >>> trainer = LanguageModelTrainer(
    ...     tokenizer="characters", dim=16, n_layers=1, n_heads=2, max_length=16, steps=5
    ... )
    >>> trainer.fit(path).report.n_steps
    5
    """

    def __init__(
        self,
        config: PretrainConfig | None = None,
        *,
        objective: Objective | None = None,
        world: World = ALONE,
        **settings: Any,
    ) -> None:
        if config is not None and settings:
            raise ConfigError("give a config or settings, not both")
        try:
            self.config = config or PretrainConfig(**settings)
        except TypeError as error:
            names = ", ".join(field.name for field in dataclasses.fields(PretrainConfig))
            raise ConfigError(f"{error}; the settings are {names}") from error
        self.objective: Objective = NextToken() if objective is None else objective
        self.world = world

    def fit(
        self, corpus: Corpus | Path | str, out: Path | str | None = None, *, resume: bool = False
    ) -> Pretrained:
        """Train, and save.

        Parameters
        ----------
        corpus : path or Corpus
        out : path, optional
            A folder to be made. The run works in another beside it, with `.training` at its end,
            which is removed when all is done. Without, nothing is saved.
        resume : bool
            Go on with the run that is there. It ends with the same bits as one that was never
            stopped, given the same number of threads and processes on the same machine.

        Raises
        ------
        ConfigError
            If a setting cannot work, `out` exists, there is a run that did not finish and it is
            not to be resumed, or it is of other text or settings.
        CorpusError
            If the text cannot be read, or is shorter than `max_length`.
        FormatError
            If the tokenizer or the checkpoint is damaged.
        TrainingError
            If training diverged. The run stays where it has a checkpoint.
        ClusterError
            If a process ended, or does not see the folder of `out`.
        KeyboardInterrupt
            After Ctrl-C; the run is saved.
        """
        self.world.check_batch(self.config.batch_size)
        _check_settings(self.config, self.objective)
        corpus = corpus if isinstance(corpus, Corpus) else Corpus(corpus)
        with self._folder(out, resume) as work:
            pretrained = self._fit_in(corpus, work)
            if out is not None and self.world.is_first:
                pretrained.save(out)
        self.world.wait()
        return pretrained

    @contextlib.contextmanager
    def _folder(self, out: Path | str | None, resume: bool) -> Iterator[Path]:
        """The folder that the run works in, which the first process makes, and removes at last."""
        if not self.world.is_first:
            yield self.world.from_first(Path())
        elif out is None:
            with tempfile.TemporaryDirectory(prefix="rowspace-") as folder:
                yield self.world.from_first(Path(folder))
        else:
            with work_folder(Path(out), resume, (CHECKPOINT,)) as work:
                yield self.world.from_first(work)
            shutil.rmtree(work)

    def _fit_in(self, corpus: Corpus, work: Path) -> Pretrained:
        """Train in a work folder, from where it was."""
        with limited_threads(self.config.threads), memory_errors():
            if self.world.is_first:
                tokenizer, train, held_out = self._read(corpus, work)
            self.world.wait()
            if not self.world.is_first:
                tokenizer, train, held_out = self._prepared(work)
            return self._train(tokenizer, train, held_out, work / CHECKPOINT)

    def _read(self, corpus: Corpus, work: Path) -> tuple[SubwordTokenizer, TokenFile, TokenFile]:
        read = f"{TOKENS}/{DESCRIPTION}"
        more = {"objective": self.objective.name}
        remember_run(work, corpus, self.config.without_machine(), more, read)
        tokenizer, train, held_out = self.prepare(corpus, work)
        check_length(train, self.config)
        return tokenizer, train, held_out

    def _prepared(self, work: Path) -> tuple[SubwordTokenizer, TokenFile, TokenFile]:
        """What the first process has left in `work` for the others."""
        self.world.check_seen(work / TOKENS / DESCRIPTION)
        return SubwordTokenizer.load(work / TOKENIZER), *load_tokens(work / TOKENS)

    def prepare(self, corpus: Corpus, work: Path) -> tuple[SubwordTokenizer, TokenFile, TokenFile]:
        """The tokenizer and the token ids, to train on and held out; in `work` from then on."""
        corpus = readable_twice(corpus, work)
        tokenizer = self._tokenizer(corpus, work)
        return tokenizer, *self._tokens(corpus, tokenizer, work)

    def _tokenizer(self, corpus: Corpus, work: Path) -> SubwordTokenizer:
        saved, kind = work / TOKENIZER, self.config.tokenizer
        if saved.exists():
            return SubwordTokenizer.load(saved)
        if kind in KINDS:
            tokenizer = SubwordTokenizer.train(
                corpus,
                kind,
                vocab_size=self.config.vocab_size,
                special_tokens=self.objective.special_tokens,
            )
        else:
            tokenizer = SubwordTokenizer.load(kind)
        tokenizer.save(work)
        return tokenizer

    def _tokens(
        self, corpus: Corpus, tokenizer: SubwordTokenizer, work: Path
    ) -> tuple[TokenFile, TokenFile]:
        folder = work / TOKENS
        if (folder / DESCRIPTION).exists():
            return load_tokens(folder)
        return prepare_tokens(corpus, tokenizer, folder, self.config.held_out)

    def _train(
        self,
        tokenizer: SubwordTokenizer,
        train: TokenFile,
        held_out: TokenFile,
        checkpoint: Path,
    ) -> Pretrained:
        config = self.config
        device = device_of(config.device)
        precision = precision_of(config, device)
        parts = self._parts(tokenizer, train, held_out, device, precision)
        identity = {
            "tokens": [train.n_tokens, held_out.n_tokens],
            "tokenizer": tokenizer.fingerprint,
        }
        n_steps = config.n_steps(train.n_tokens)
        run = Run(config, parts, n_steps, identity, precision, self.world)
        with contextlib.closing(parts.gradients):
            run.fit(checkpoint)
        if parts.record is not None:
            parts.record.close()
        parts.model.eval()
        report = self._report(run, tokenizer, train, held_out) if self.world.is_first else None
        report = self.world.from_first(report)
        assert report is not None
        return Pretrained(parts.model, tokenizer, report)

    def _parts(
        self,
        tokenizer: SubwordTokenizer,
        train: TokenFile,
        held_out: TokenFile,
        device: torch.device,
        precision: torch.dtype,
    ) -> Parts:
        config, objective = self.config, self.objective
        mode = "random" if config.epochs is None else "epoch"
        batches = objective.make_batches(train.open(), tokenizer, config, config.max_length, mode)
        text = HeldOutText.of(held_out, objective, tokenizer, config) if config.held_out else None
        model = new_model(objective, config, tokenizer).to(device)
        gradients, record = make_gradients(model, config, precision, config.row_record, self.world)
        optimizer = optimizer_for(model, config)
        unseen = held_out.open()

        def sample() -> str:
            (first,) = objective.samples(model, unseen, 1, tokenizer, config.seed)
            return f"{first.given} […] {first.made}" if objective.predicts_all else first.made

        return Parts(model, gradients, optimizer, batches, text, record, sample)

    def _report(
        self, run: Run, tokenizer: SubwordTokenizer, train: TokenFile, held_out: TokenFile
    ) -> PretrainReport:
        config, model, record = self.config, run.parts.model, run.parts.record
        n_parameters = count_parameters(model)
        shown = held_out if held_out.n_tokens > 1 else train
        report = PretrainReport(
            objective=self.objective.name,
            config=config,
            vocab_size=tokenizer.vocab_size,
            n_parameters=n_parameters.total,
            n_embedding_parameters=n_parameters.embedding,
            train=TextSize.of(train),
            held_out_text=TextSize.of(held_out),
            n_steps=run.n_steps,
            n_tokens_seen=run.n_steps * config.tokens_per_step,
            seconds=run.seconds,
            precision=str(run.precision).removeprefix("torch."),
            n_threads=config.threads,
            n_processes=self.world.size,
            history=run.history,
            held_out=run.held_out,
            result=self._result(run, held_out),
            samples=self.objective.samples(model, shown.open(), _N_SAMPLES, tokenizer, config.seed),
        )
        if record is None:
            return report
        counts = train.counts()
        return dataclasses.replace(
            report,
            rows=by_frequency(record, counts),
            neighbors=compare_tables(record.start, record.table.weight, counts, tokenizer),
        )

    def _result(self, run: Run, held_out: TokenFile) -> HeldOutResult | None:
        """The loss on all that was held out, in full precision."""
        text = run.parts.held_out
        if text is None:
            return None
        loss = text.loss(run.parts.model)
        assert loss is not None
        per_text = self.objective.predicts_all
        return HeldOutResult(
            loss=loss,
            perplexity=HeldOut(run.n_steps, loss).perplexity,
            word_perplexity=held_out.word_perplexity(loss) if per_text else None,
            bits_per_byte=held_out.bits_per_byte(loss) if per_text else None,
        )


def _check_settings(config: PretrainConfig, objective: Objective) -> None:
    """See that there can be such a model before the text is read, which may take long."""
    vocab_size = _check_tokenizer(config, objective)
    _check_start_vectors(config)
    try:
        with torch.device("meta"):  # which takes no memory
            model = objective.make_model(config.model_config(vocab_size))
    except RuntimeError as error:
        raise ConfigError(
            f"a model of vocab_size {vocab_size:,}, dim {config.dim:,} and hidden_dim "
            f"{config.hidden_dim} cannot be ({_reason(error)}); give smaller ones"
        ) from error
    optimizer_for(model, config)
    _check_device(config.device)
    _check_memory(model, config.device)


def _check_tokenizer(config: PretrainConfig, objective: Objective) -> int:
    """See that a tokenizer that is given will do; tells how many tokens there are at most."""
    if config.tokenizer in KINDS:
        return config.vocab_size
    if not Path(config.tokenizer).exists():
        raise ConfigError(
            f"tokenizer is {config.tokenizer!r}, which is no file or folder; give the path of one, "
            f"or of {', '.join(KINDS)} what to train"
        )
    tokenizer = SubwordTokenizer.load(config.tokenizer)
    objective.check_tokenizer(tokenizer)
    return tokenizer.vocab_size


def _check_start_vectors(config: PretrainConfig) -> None:
    """See that there are such vectors, as long as a row, and of a token where these are known."""
    if config.start_vectors is None:
        return
    vectors = load(config.start_vectors)
    check_dim(vectors, config.dim)
    if config.tokenizer not in KINDS:
        known_words(SubwordTokenizer.load(config.tokenizer), vectors)


def _check_device(device: str | None) -> None:
    try:
        float(torch.ones(1, device=device))  # "meta" gives no number back
    except (RuntimeError, AssertionError, ImportError) as error:
        raise ConfigError(
            f"device is {device!r}, which torch cannot use here ({_reason(error)}); give cpu"
        ) from error


def _check_memory(model: Model, device: str | None) -> None:
    """Raise for a model that cannot be in memory with its gradients, whatever is done."""
    n_parameters = count_parameters(model).total
    free = available_memory() if device_of(device).type == "cpu" else None
    if free is not None and n_parameters * _LEAST_BYTES > free:
        raise ConfigError(
            f"the model has {n_parameters:,} parameters, which take {_LEAST_BYTES} bytes each to "
            f"train, and {free / 1e9:,.1f} GB are free; give a smaller dim, vocab_size or n_layers"
        )


def check_length(train: TokenFile, config: PretrainConfig) -> None:
    """Raise CorpusError for a text that is no longer than a block."""
    n_tokens, length = train.n_tokens, config.max_length
    if n_tokens <= length:
        remedy = f", or a max_length of {n_tokens - 1:,} or less" if n_tokens > 2 else ""
        raise CorpusError(
            f"the text has {n_tokens:,} tokens to train on, and a max_length of {length:,} takes "
            f"{length + 1:,} with the one that follows; give more text{remedy}"
        )


def _reason(error: Exception) -> str:
    return str(error).split("\n")[0].split(". ")[0]


def device_of(name: str | None) -> torch.device:
    """The device of this name; the best there is where there is no name."""
    return torch.device(name or ("cuda" if torch.cuda.is_available() else "cpu"))


def new_model(objective: Objective, config: PretrainConfig, tokenizer: SubwordTokenizer) -> Model:
    """The model at the start, the same for the same seed; torch's own generator stays."""
    shape = config.model_config(tokenizer.vocab_size, padding_id=tokenizer.padding_id)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        model = objective.make_model(shape)
    if config.start_vectors is not None:
        start_from(model.transformer.embeddings.token, tokenizer, load(config.start_vectors))
    return model


def optimizer_for(model: Model, config: PretrainConfig) -> torch.optim.Optimizer:
    """The optimizer that a config names."""
    return make_optimizer(
        model,
        config.optimizer,
        lr=config.learning_rate,
        weight_decay=config.weight_decay,
        betas=(0.9, config.beta2),
    )


@contextlib.contextmanager
def limited_threads(n_threads: int) -> Iterator[None]:
    """Let torch use so many, and then as many as before."""
    before = torch.get_num_threads()
    torch.set_num_threads(n_threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextlib.contextmanager
def memory_errors() -> Iterator[None]:
    """Python's own error where torch gets no memory."""
    try:
        yield
    except RuntimeError as error:
        if isinstance(error, torch.OutOfMemoryError) or "allocate memory" in str(error):
            raise MemoryError(_reason(error)) from error
        raise


def precision_of(config: PretrainConfig, device: torch.device) -> torch.dtype:
    """What matrices are multiplied in."""
    if config.precision != "auto":
        return torch.bfloat16 if config.precision == "bfloat16" else torch.float32
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float32
    return torch.bfloat16 if device.type == "cpu" and has_native_bfloat16() else torch.float32
