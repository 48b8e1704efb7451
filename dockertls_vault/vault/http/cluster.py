"""The nodes of a cluster: one request is answered by one of them in time, or fails in words.

Whom to ask next, when to ask again and when to give up are decided here, for every call alike.
"""

from __future__ import annotations

import copy
import random
import time
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, TypeVar

from dockertls_vault import stop
from dockertls_vault.errors import DockerTLSError, TryAgain
from dockertls_vault.vault.progress import Silent

from . import retry
from .call import Call
from .sender import Failure, Sender
from .watch import Watch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from dockertls_vault.settings.address import Address
    from dockertls_vault.settings.schema import Settings
    from dockertls_vault.vault.answers.answer import Answer
    from dockertls_vault.vault.progress import Progress

    from .transport import Transport

Result = TypeVar("Result")

# Seconds; a wait that is going to be longer than this is said.
_SILENT = 2.0
# A question that any node answers to anybody.
_PROBE = Call("GET", "sys/leader", {})


class Cluster:
    """The nodes in the order in which they are asked, and what is left of the time for them."""

    def __init__(self, settings: Settings, transport: Transport, progress: Progress) -> None:
        self._sender = Sender(settings, transport)
        self._progress = progress
        self._watch = Watch(progress, _SILENT)
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
        """Within it, a request that a node may have acted on is not sent again.

        Nor is it given up for a signal, for some seconds: its answer may be a token, or a root.
        """
        before, self._repeat = self._repeat, False
        try:
            yield
        finally:
            self._repeat = before

    @contextmanager
    def spending(self) -> Iterator[float]:
        """Within it, somebody else is waited for on the same budget; give what is left of it."""
        started = time.monotonic()
        try:
            yield self._left
        finally:
            self._left -= time.monotonic() - started

    def another(self) -> Cluster:
        """Return one for another thread, with as much time from now on; it says nothing of waits.

        Whoever waits for that thread does so by ``joined``, which says them.
        """
        found = copy.copy(self)
        found._sender = self._sender.another()  # noqa: SLF001 - of the same class
        found._progress = Silent()  # noqa: SLF001 - likewise
        found._watch = Watch(found._progress, _SILENT)  # noqa: SLF001 - likewise
        found._addresses = list(self._addresses)  # noqa: SLF001 - likewise
        found._repeat = True  # noqa: SLF001 - likewise; a read may always be repeated
        return found

    def joined(self, wait: Callable[[], Result]) -> Result:
        """Return what ``wait`` gets from another thread's cluster, on the same budget."""
        text = f"waiting for Vault: {self.address} has not answered yet"
        try:
            with self.spending(), self._watch.waiting(text):
                return wait()
        finally:
            self._progress.over()

    def close(self) -> None:
        """Say nothing more of waits."""
        self._watch.end()

    def allow(self, seconds: float) -> None:
        """Give what comes next so many seconds, whatever is left of the budget."""
        self._left = seconds

    def wait(self, seconds: float, why: str) -> bool:
        """Wait, which is said, if there is as much left of the budget; tell whether there was."""
        if seconds >= self._left:
            return False
        try:
            self._progress.waiting(why)
            stop.wait(seconds)
        finally:
            self._progress.over()
        self._left -= seconds
        return True

    def send(self, call: Call) -> Answer:
        """Return the answer to ``call``, a success, within what is left of the budget.

        Raises what Vault refuses at once; of what may pass the last failure, when the budget is
        used up, when all nodes fail in a way that lasts, or when the call may have been acted on
        and must not be repeated.
        """
        started = time.monotonic()
        try:
            return self._send(call, started)
        finally:
            self._left -= time.monotonic() - started
            self._progress.over()

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
            if again - started >= _SILENT:
                self._progress.waiting(f"waiting for Vault: {fault.message}")
            stop.wait(wait)
            repeats += 1

    def _ask_around(self, call: Call, repeats: int, deadline: float) -> Answer | list[Failure]:
        """Ask one node after the other; raises what will not pass, or must not be repeated."""
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
        """Ask one node, which is asked first from now on if it answers, whatever it says."""
        text = f"waiting for Vault: {address} has not answered yet"
        hold = nullcontext() if self._repeat or call is _PROBE else stop.patiently()
        try:
            with self._watch.waiting(text), hold:
                outcome = self._sender.send(call, address, seconds)
        except DockerTLSError:
            self._prefer(address)
            raise
        if not isinstance(outcome, Failure):
            self._prefer(address)
        return outcome

    def _share(self, deadline: float, repeats: int, nodes: int) -> float:
        """Return the seconds for one of ``nodes`` that are left to ask, longer with each repeat.

        Nothing is gained by giving up early where nobody else can be asked, or may be.
        """
        left = deadline - time.monotonic()
        if len(self._addresses) == 1 or not self._repeat:
            return left
        return min(retry.share(repeats), left / nodes)

    def _prefer_one_that_answers(self, deadline: float) -> None:
        """Do not spend the only try on a node that hangs, or on what is no node at all."""
        for address in tuple(self._addresses):
            share = (deadline - time.monotonic()) / (len(self._addresses) + 1)
            try:
                outcome = self._ask(_PROBE, address, min(retry.ONE_TRY, share))
            except DockerTLSError:
                return  # it answers; what it says is for the call itself to hear
            if not isinstance(outcome, Failure):
                return

    def _prefer(self, address: Address) -> None:
        self._addresses.remove(address)
        self._addresses.insert(0, address)


def _most_telling(failures: Sequence[Failure]) -> DockerTLSError:
    """Return the fault of a node that is there, if one is: the others may just be down."""
    return max(failures, key=lambda failure: isinstance(failure.fault, TryAgain)).fault
