"""Many prompts to a server at once, each answer kept the moment it is there.

On Ctrl-C or an error no further request begins, and answers on their way are waited for and kept:
they are paid for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait

from rowspace.sentence.endpoint import Endpoint
from rowspace.sentence.synthesize.chat import ask
from rowspace.sentence.synthesize.chat_config import ChatConfig
from rowspace.sentence.synthesize.journal import Answer, Journal
from rowspace.sentence.synthesize.prompts import Prompt


def ask_all(
    endpoint: Endpoint,
    config: ChatConfig,
    journal: Journal,
    prompts: Iterator[Prompt],
    take: Callable[[Prompt, Answer], None],
    is_wanted: Callable[[int], bool],
    can_pay: Callable[[int], bool],
) -> None:
    """Ask each prompt that the journal has no answer to; hand all answers to `take`.

    Parameters
    ----------
    prompts : iterator of Prompt
        No more of them are drawn than are wanted.
    take : callable
        Given each prompt with its answer, in the order received, by this thread.
    is_wanted, can_pay : callable
        Told how many requests are on their way; say whether one more answer is wanted, and
        whether one more request may be sent. One that may not is left out.
    """
    pending: dict[Future[Answer], Prompt] = {}
    with ThreadPoolExecutor(config.n_concurrent) as pool:
        try:
            while True:
                while len(pending) < config.n_concurrent and is_wanted(len(pending)):
                    prompt = next(prompts, None)
                    if prompt is None:
                        break
                    if prompt.key in journal.answers:
                        take(prompt, journal.answers[prompt.key])
                    elif can_pay(len(pending)):
                        pending[pool.submit(ask, endpoint, config, prompt)] = prompt
                if not pending:
                    return
                for future in wait(pending, return_when=FIRST_COMPLETED).done:
                    journal.add(future.result())
                    prompt = pending.pop(future)
                    take(prompt, journal.answers[prompt.key])
        except BaseException:
            endpoint.stop()
            pool.shutdown(wait=True, cancel_futures=True)
            _keep(pending, journal)
            raise


def _keep(pending: dict[Future[Answer], Prompt], journal: Journal) -> None:
    for future, prompt in pending.items():
        is_answered = future.done() and not future.cancelled() and future.exception() is None
        if is_answered and prompt.key not in journal.answers:
            journal.add(future.result())
