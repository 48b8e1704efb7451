"""Send a request to the nodes of a cluster until one responds, within a time budget.

All failover, retry and give-up decisions are made here.
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

T = TypeVar("T")

# Needs no token, and every node answers it.
_PROBE = Call("GET", "sys/leader", {})


class Cluster:
    """The nodes, in the order in which they are tried, and the remaining budget.

    Addresses, budget and retry limit come from the settings.
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
        """Within the context, do not retry a request that a node may have carried out.

        A signal does not abort it at once either: the response may contain a token, or a new root.
        """
        before, self._repeat = self._repeat, False
        try:
            yield
        finally:
            self._repeat = before

    @contextmanager
    def spending(self) -> Iterator[float]:
        """Within the context, deduct elapsed time from the budget; yields the remaining seconds."""
        started = time.monotonic()
        try:
            yield self._left
        finally:
            self._left -= time.monotonic() - started

    @contextmanager
    def at_most(self, seconds: float) -> Iterator[None]:
        """Within the context, limit the budget to ``seconds``, for what is not worth all of it."""
        started, before = time.monotonic(), self._left
        self._left = min(before, seconds)
        try:
            yield
        finally:
            self._left = before - (time.monotonic() - started)

    def for_another_thread(self) -> Cluster:
        """Return a cluster with the same remaining budget, for reads in another thread.

        It reports no waits; ``joined``, in the waiting thread, does.
        """
        settings = dataclasses.replace(
            self._settings,
            addresses=tuple(self._addresses),
            timeout=timedelta(seconds=self._left),
        )
        return Cluster(settings, self._sender.for_another_thread(), Unwatched())

    def joined(self, wait: Callable[[], T]) -> T:
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
        """Replace the remaining budget."""
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
        """Send ``call`` and return the successful response.

        Raises a permanent error at once, and a temporary one when the budget is used up, when no
        node is worth retrying, or when a node may have carried out a call that must not be
        repeated.
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
        """Try each node once; raises an error that is permanent, or must not be retried."""
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
        """Send to one node; one that responds at all is tried first from now on."""
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
        """Return the timeout for the next of ``nodes`` untried nodes, longer with each retry.

        It is all that is left if no other node can, or may, be tried.
        """
        left = deadline - time.monotonic()
        if len(self._addresses) == 1 or not self._repeat:
            return left
        return min(retry.share(repeats), left / nodes)

    def _prefer_one_that_answers(self, deadline: float) -> None:
        """Probe the nodes, so that a request that is sent only once does not go to a hung one."""
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
    """Return the error of a node that responded, if any: the others may just be down."""
    return max(failures, key=lambda failure: isinstance(failure.fault, TryAgain)).fault
