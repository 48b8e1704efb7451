"""The nodes of a cluster: one of them answers a request in time, or it fails with an explanation.

Which node to ask next, when to ask again and when to give up is decided here for every call.
"""

from __future__ import annotations

import dataclasses
import random
import time
from contextlib import contextmanager, nullcontext
from datetime import timedelta
from typing import TYPE_CHECKING, TypeVar

from dockertls_vault import stop
from dockertls_vault.errors import DockerTLSError, TryAgain

from . import retry
from .call import Call
from .sender import Failure
from .watch import Unwatched, is_long

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from dockertls_vault.settings.address import Address
    from dockertls_vault.settings.schema import Settings
    from dockertls_vault.vault.answers.answer import Answer

    from .sender import Sender
    from .watch import Watch

Result = TypeVar("Result")

# Any node answers it to anybody.
_PROBE = Call("GET", "sys/leader", {})


class Cluster:
    """The nodes in the order in which they are asked, and the time that is left for them.

    The settings name the nodes, the time for all calls together, and how often to retry.
    """

    def __init__(self, settings: Settings, sender: Sender, watch: Watch | Unwatched) -> None:
        self._settings = settings
        self._sender = sender
        self._watch = watch
        self._addresses = list(settings.addresses)
        self._max_retries = settings.max_retries
        self._left = settings.timeout.total_seconds()
        self._repeat = True

    @property
    def address(self) -> Address:
        """The node that answered last."""
        return self._addresses[0]

    @contextmanager
    def once(self) -> Iterator[None]:
        """Within it, never repeat a request that a node may have acted on.

        Nor give it up for a signal at once: its answer may be a token, or a root.
        """
        before, self._repeat = self._repeat, False
        try:
            yield
        finally:
            self._repeat = before

    @contextmanager
    def spending(self) -> Iterator[float]:
        """Within it, count other waiting against the budget; yield the seconds left of it."""
        started = time.monotonic()
        try:
            yield self._left
        finally:
            self._left -= time.monotonic() - started

    def for_another_thread(self) -> Cluster:
        """Return a cluster with as much time from now on, for reads in another thread.

        It reports no waits: the thread that waits for it does so with ``joined``, which reports.
        """
        settings = dataclasses.replace(
            self._settings,
            addresses=tuple(self._addresses),
            timeout=timedelta(seconds=self._left),
        )
        return Cluster(settings, self._sender.for_another_thread(), Unwatched())

    def joined(self, wait: Callable[[], Result]) -> Result:
        """Wait for the result of another thread's cluster, on the same budget, and return it."""
        try:
            with self.spending(), self._watch.waiting(_unanswered(self.address)):
                return wait()
        finally:
            self._watch.over()

    def close(self) -> None:
        """Report no more waits."""
        self._watch.end()

    def allow(self, seconds: float) -> None:
        """Set the budget for what comes next, whatever is left of it."""
        self._left = seconds

    def wait(self, seconds: float, why: str) -> bool:
        """Wait if the budget allows it, and report why; tell whether it did."""
        if seconds >= self._left:
            return False
        try:
            self._watch.tell(why)
            stop.wait(seconds)
        finally:
            self._watch.over()
        self._left -= seconds
        return True

    def send(self, call: Call) -> Answer:
        """Return the answer to ``call``, a success, within what is left of the budget.

        Raise at once what Vault refuses. Raise the last failure that could pass when the budget
        is used up, when every node fails in a way that lasts, or when the call must not be
        repeated and a node may have acted on it.
        """
        started = time.monotonic()
        try:
            return self._send(call, started)
        finally:
            self._left -= time.monotonic() - started
            self._watch.over()

    def _send(self, call: Call, started: float) -> Answer:
        deadline = started + self._left
        if not self._repeat and len(self._addresses) > 1:
            self._prefer_one_that_answers(deadline)
        repeats = 0
        while True:
            outcome = self._ask_around(call, repeats, deadline)
            if not isinstance(outcome, list):
                return outcome
            fault = _most_telling(outcome)
            wait = max(retry.pause(repeats, random.random), *(failed.wait for failed in outcome))
            again = time.monotonic() + wait
            if (
                repeats == self._max_retries
                or again >= deadline
                or all(started + failed.patience < again for failed in outcome)
            ):
                raise fault
            if is_long(again - started):
                self._watch.tell(f"waiting for Vault: {fault.message}")
            stop.wait(wait)
            repeats += 1

    def _ask_around(self, call: Call, repeats: int, deadline: float) -> Answer | list[Failure]:
        """Ask the nodes in turn; raise a failure that will not pass or must not be repeated."""
        failures: list[Failure] = []
        for address in tuple(self._addresses):
            seconds = self._share(deadline, repeats, len(self._addresses) - len(failures))
            outcome = self._ask(call, address, seconds)
            if not isinstance(outcome, Failure):
                return outcome
            if outcome.sent and not self._repeat:
                outcome.fault.acted = True
                raise outcome.fault
            failures.append(outcome)
            if outcome.pause or time.monotonic() >= deadline:
                break
        return failures

    def _ask(self, call: Call, address: Address, seconds: float) -> Answer | Failure:
        """Ask one node; if it answers, whatever the answer, it is asked first from now on."""
        hold = nullcontext() if self._repeat or call is _PROBE else stop.patiently()
        try:
            with self._watch.waiting(_unanswered(address)), hold:
                outcome = self._sender.send(call, address, seconds)
        except DockerTLSError:
            self._prefer(address)
            raise
        if not isinstance(outcome, Failure):
            self._prefer(address)
        return outcome

    def _share(self, deadline: float, repeats: int, nodes: int) -> float:
        """Return the seconds for one of the ``nodes`` left to ask, more with each repeat.

        Giving up early gains nothing if no other node can, or may, be asked.
        """
        left = deadline - time.monotonic()
        if len(self._addresses) == 1 or not self._repeat:
            return left
        return min(retry.share(repeats), left / nodes)

    def _prefer_one_that_answers(self, deadline: float) -> None:
        """Ask every node something harmless, so that the only try does not go to one that hangs."""
        for address in tuple(self._addresses):
            share = (deadline - time.monotonic()) / (len(self._addresses) + 1)
            try:
                outcome = self._ask(_PROBE, address, min(retry.ONE_TRY, share))
            except DockerTLSError:
                return  # it answers, and the call itself will get the same error
            if not isinstance(outcome, Failure):
                return

    def _prefer(self, address: Address) -> None:
        self._addresses.remove(address)
        self._addresses.insert(0, address)


def _unanswered(address: Address) -> str:
    return f"waiting for Vault: {address} has not answered yet"


def _most_telling(failures: Sequence[Failure]) -> DockerTLSError:
    """Return the fault of a node that answered, if any: the others may just be down."""
    return max(failures, key=lambda failure: isinstance(failure.fault, TryAgain)).fault
