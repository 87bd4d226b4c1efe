"""Training pairs written by a language model: tasks, then examples; or queries to a corpus."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from rowspace.errors import ConfigError, RemoteError
from rowspace.files import write_atomically
from rowspace.progress import track
from rowspace.sentence.endpoint import Endpoint
from rowspace.sentence.synthesize.answers import Rejected, read_example, read_tasks
from rowspace.sentence.synthesize.asking import ask_all
from rowspace.sentence.synthesize.chat_config import GROUNDED, ChatConfig
from rowspace.sentence.synthesize.estimate import Estimate, estimate_of
from rowspace.sentence.synthesize.filters import Filters
from rowspace.sentence.synthesize.journal import Answer, Journal
from rowspace.sentence.synthesize.leaks import Leaks
from rowspace.sentence.synthesize.plan import (
    ChosenPassage,
    choose_passages,
    example_prompts,
    most_answers,
    passage_prompts,
    task_prompts,
)
from rowspace.sentence.synthesize.prompts import Prompt
from rowspace.sentence.synthesize.report import SynthesisReport
from rowspace.sentence.synthesize.synthetic_pair import SyntheticPair, plain_form
from rowspace.text.corpus import Corpus

_MOST_USELESS = 25  # answers in a row, after which something must be wrong


def synthesize(
    endpoint: Endpoint,
    out: Path | str,
    config: ChatConfig,
    corpus: Corpus | None = None,
    leaks: Leaks | None = None,
    resume: bool = False,
) -> SynthesisReport:
    """Have a language model write training pairs.

    Each answer goes to the file `<out>.journal` when it is received. A run that goes on with it
    asks for nothing that it has, and may have a larger `n`.

    Parameters
    ----------
    endpoint : Endpoint
    out : path
        JSON lines of `anchor`, `positive`, `negatives` and `kind`.
    config : ChatConfig
    corpus : Corpus, optional
        Its passages are the positives, and the model writes queries and negatives; `kinds` must
        then be `("grounded",)`.
    leaks : Leaks, optional
        Texts that no pair may hold.
    resume : bool
        Go on with the answers of a run before.

    Raises
    ------
    ConfigError
        If the settings cannot work, or the estimate is above `max_cost`; nothing was sent then.
    RemoteError
        If the server fails, or its answers are of no use.

    References
    ----------
    Wang et al. (2024), https://arxiv.org/abs/2401.00368
    """
    if (corpus is None) == (GROUNDED in config.kinds):
        raise ConfigError(f"a corpus and the kind {GROUNDED} go together; give both or neither")
    out = Path(out)
    journal_path = out.with_name(out.name + ".journal")
    if journal_path.exists() and not resume:
        raise ConfigError(
            f"{journal_path} has answers of a run before; give resume (--resume) to go on with it, "
            "or remove it"
        )
    passages = None if corpus is None else choose_passages(corpus, config)
    expected = estimate_of(config, passages)
    _check_cost(config, expected)
    identity = config.identity() | {"url": endpoint.url}
    if corpus is not None:
        identity |= {"corpus": corpus.description(), "sizes": corpus.sizes()}
    with Journal(journal_path, identity) as journal:
        run = _Run(endpoint, config, journal, Filters(leaks), expected)
        examples = run.collect(passages)
        if not examples:
            raise RemoteError(f"no example could be had ({run.why()}); see {journal_path}")
        with write_atomically(out) as file:
            file.writelines(example.line() for example in examples)
        return run.report(examples)


def _check_cost(config: ChatConfig, expected: Estimate) -> None:
    if config.max_cost is None or expected.cost is None or expected.cost <= config.max_cost:
        return
    raise ConfigError(
        f"{expected.n_requests:,} requests would cost about {expected.cost:,.2f}, above the "
        f"{config.max_cost:,.2f} of max_cost; nothing was sent; lower n, or raise max_cost"
    )


class _Run:
    def __init__(
        self,
        endpoint: Endpoint,
        config: ChatConfig,
        journal: Journal,
        filters: Filters,
        expected: Estimate,
    ) -> None:
        self._endpoint, self._config, self._journal = endpoint, config, journal
        self._filters = filters
        self._cost_of_one = (expected.cost or 0.0) / max(expected.n_requests, 1)
        self._unreadable: Counter[str] = Counter()
        self._n_useless = 0  # in a row, of those asked in this run
        self._examples: list[SyntheticPair] = []
        self._notes: list[str] = []
        self._old = frozenset(journal.answers)

    def collect(self, passages: Sequence[ChosenPassage] | None) -> list[SyntheticPair]:
        """Ask until there are enough examples, or there is nothing more to ask."""
        prompts = self._prompts(passages)
        with track("asking for examples", total=self._config.n) as tracker:

            def take(prompt: Prompt, answer: Answer) -> None:
                self._take(prompt, answer)
                tracker.set(len(self._examples), note=self._note())

            self._ask(prompts, take, self._is_wanted)
        missing = self._config.n - len(self._examples)
        if missing and not self._notes:
            what = (
                "passage" if passages is not None else f"of {most_answers(self._config):,} requests"
            )
            self._notes.append(f"{missing:,} examples are missing, and every {what} was used")
        return self._examples

    def _prompts(self, passages: Sequence[ChosenPassage] | None) -> Iterator[Prompt]:
        if passages is not None:
            return passage_prompts(self._config, passages)
        return example_prompts(self._config, self._tasks())

    def _tasks(self) -> dict[str, list[str]]:
        """The tasks of each group, none twice."""
        found: dict[str, dict[str, list[str]]] = {kind: {} for kind in self._config.kinds}
        prompts = task_prompts(self._config)

        with track("asking for tasks", total=len(prompts)) as tracker:

            def take(prompt: Prompt, answer: Answer) -> None:
                found[prompt.kind][prompt.key] = read_tasks(answer.content)
                tracker.advance()

            self._ask(iter(prompts), take, lambda n_pending: True)
        tasks = {}
        for kind, by_prompt in found.items():
            some = [task for key in sorted(by_prompt) for task in by_prompt[key]]
            tasks[kind] = list({plain_form(task): task for task in some}.values())
            if not tasks[kind]:
                raise RemoteError(
                    f"the model gave no list of tasks for {kind}; try another model, or look at "
                    f"what it said in {self._journal.path} and remove that file"
                )
        return tasks

    def _ask(
        self,
        prompts: Iterator[Prompt],
        take: Callable[[Prompt, Answer], None],
        is_wanted: Callable[[int], bool],
    ) -> None:
        ask_all(
            self._endpoint, self._config, self._journal, prompts, take, is_wanted, self._can_pay
        )

    def _is_wanted(self, n_pending: int) -> bool:
        return len(self._examples) + n_pending < self._config.n

    def _can_pay(self, n_pending: int) -> bool:
        """Whether one more request surely stays below the most that may be spent."""
        limit, spent = self._config.max_cost, self._spent()
        if limit is None or spent is None:
            return True
        n_answers = max(len(self._journal.answers), 1)
        each = max(self._cost_of_one, spent / n_answers)
        if spent + (n_pending + 1) * each <= limit:
            return True
        if not self._notes:
            self._notes.append(f"stopped before the cost would exceed {limit:,.2f}")
        return False

    def _take(self, prompt: Prompt, answer: Answer) -> None:
        reason = None
        try:
            example = read_example(answer.content, prompt)
        except Rejected as error:
            reason = str(error)
            self._unreadable[reason] += 1
        else:
            if self._filters.accept(example, prompt.key):
                self._examples.append(example)
                self._n_useless = 0
                return
        if prompt.key in self._old:  # known before
            return
        self._n_useless += 1
        if self._n_useless == _MOST_USELESS:
            raise RemoteError(
                f"{_MOST_USELESS} answers in a row were of no use ({self.why()}); try another "
                f"model; what it said is in {self._journal.path}"
            )

    def _rejected(self) -> dict[str, int]:
        return dict((self._unreadable + self._filters.rejected).most_common())

    def why(self) -> str:
        """What was rejected, in words."""
        counts = [f"{count:,} {reason}" for reason, count in self._rejected().items()]
        return "rejected: " + ", ".join(counts) if counts else "; ".join(self._notes)

    def _note(self) -> str:
        n_rejected = sum(self._rejected().values())
        spent = self._spent()
        cost = "" if spent is None else f", cost {spent:,.2f}"
        return f"{n_rejected:,} rejected{cost}"

    def _spent(self) -> float | None:
        return self._config.cost(self._journal.input_tokens, self._journal.output_tokens)

    def report(self, examples: Sequence[SyntheticPair]) -> SynthesisReport:
        """What became of it."""
        by_kind = Counter(example.kind for example in examples)
        return SynthesisReport(
            n_written=len(examples),
            by_kind={kind: by_kind[kind] for kind in self._config.kinds},
            n_with_negatives=sum(bool(example.negatives) for example in examples),
            rejected=self._rejected(),
            n_answers=len(self._journal.answers),
            n_asked=self._endpoint.n_requests,
            input_tokens=self._journal.input_tokens,
            output_tokens=self._journal.output_tokens,
            cost=self._spent(),
            notes=self._notes,
        )
