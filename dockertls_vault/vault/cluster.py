"""The nodes of a cluster: one request arrives at one of them, or fails in words.

Failing over, trying again, following the leader and reading what was just written are done
here, for every call alike.
"""

from __future__ import annotations

import math
import re
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from urllib3.exceptions import HTTPError

from dockertls_vault.errors import (
    DockerTLSError,
    NotInitialized,
    TryAgain,
    VaultError,
    VaultSealed,
)

from . import answers, faults, retry
from .meaning import Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from dockertls_vault.settings import Settings

    from .answers import Meaning
    from .transport import Answer, Transport

# Seconds; a wait that is going to be longer than this is said.
_SILENT = 2.0
_READS = {"GET", "LIST", "HEAD"}
# Calls that write nothing which a later call could miss.
_LEAVES_NOTHING = re.compile(r"^auth/|^sys/(wrapping|capabilities-self)|/sign/")


@dataclass(frozen=True)
class Call:
    """A request that any node may answer; ``path`` is without ``/v1/``."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: object = None
    params: Mapping[str, str] | None = None


@dataclass(frozen=True)
class _Failure:
    """A try that gave no answer.

    ``sent``: the node may have acted on it. ``patience``: for how many seconds it makes sense to
    ask again. ``pause``: the other nodes are not to be asked either, for ``wait`` seconds at least.
    """

    fault: DockerTLSError
    sent: bool = False
    patience: float = math.inf
    pause: bool = False
    wait: float = 0.0


class Cluster:
    """The nodes in the order in which they are asked, and what is left of the time for them."""

    def __init__(
        self,
        settings: Settings,
        transport: Transport,
        *,
        waiting: Callable[[str | None], None],
        random: Callable[[], float],
    ) -> None:
        self._settings = settings
        self._transport = transport
        self._waiting = waiting
        self._random = random
        self._addresses = list(settings.addresses)
        self._left = settings.timeout.total_seconds()
        self._index: str | None = None
        self._forwarding = True
        self._written_at: float | None = None
        self._repeat = True

    @property
    def address(self) -> str:
        """The node that answered last."""
        return self._addresses[0]

    @contextmanager
    def once(self) -> Iterator[None]:
        """Within it, a request that a node may have acted on is not sent again."""
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

    def allow(self, seconds: float) -> None:
        """Give what comes next so many seconds, whatever is left of the budget."""
        self._left = seconds

    def wait(self, seconds: float, why: str) -> bool:
        """Wait, which is said, if there is as much left of the budget; tell whether there was."""
        if seconds >= self._left:
            return False
        self._waiting(why)
        time.sleep(seconds)
        self._left -= seconds
        self._waiting(None)
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
            self._waiting(None)

    def _send(self, call: Call, started: float) -> Answer:
        tries = pauses = 0
        if not self._repeat and len(self._addresses) > 1:
            self._prefer_one_that_answers(started)
        while True:
            failures: list[_Failure] = []
            for address in tuple(self._addresses):
                outcome = self._try(address, call, started)
                if not isinstance(outcome, _Failure):
                    return outcome
                failures.append(outcome)
                tries += 1
                if self._is_last(outcome, tries):
                    raise outcome.fault
                if self._over(started):
                    raise _most_telling(failures)
                if outcome.pause:
                    break
            wait = max(retry.pause(pauses, self._random), *(failure.wait for failure in failures))
            pauses += 1
            elapsed = time.monotonic() - started
            if self._over(started, wait) or all(
                failure.patience <= elapsed for failure in failures
            ):
                raise _most_telling(failures)
            if time.monotonic() + wait - started >= _SILENT:
                self._waiting(f"waiting for Vault: {_most_telling(failures).message}")
            time.sleep(wait)

    def _prefer_one_that_answers(self, started: float) -> None:
        """Do not spend the only try on a node that hangs."""
        probe = Call("GET", "sys/leader", {})
        for address in tuple(self._addresses):
            if not isinstance(self._ask(address, probe, started, retry.ONE_TRY), _Failure):
                self._prefer(address)
                return

    def _is_last(self, failure: _Failure, tries: int) -> bool:
        limit = self._settings.max_retries
        return (failure.sent and not self._repeat) or (limit is not None and tries > limit)

    def _over(self, started: float, wait: float = 0.0) -> bool:
        return time.monotonic() + wait - started >= self._left

    def _try(self, address: str, call: Call, started: float) -> Answer | _Failure:
        outcome = self._ask(address, call, started)
        if isinstance(outcome, _Failure):
            return outcome
        meaning = answers.read(call.method, call.path, address, outcome)
        if meaning.verdict is Verdict.REDIRECT:
            address = self._target(address, outcome)
            outcome = self._ask(address, call, started)
            if isinstance(outcome, _Failure):
                return outcome
            meaning = answers.read(call.method, call.path, address, outcome)
        if meaning.verdict is Verdict.NO_FORWARDING and self._forwarding:
            self._forwarding = False
            return self._try(address, call, started)
        return self._judge(address, call, outcome, meaning)

    def _ask(
        self, address: str, call: Call, started: float, one_try: float | None = None
    ) -> Answer | _Failure:
        left = self._left - (time.monotonic() - started)
        if one_try is None:
            # What must not be sent again may as well take all the time there is.
            one_try = retry.ONE_TRY if self._repeat else left
        timeout = max(min(one_try, self._settings.client_timeout.total_seconds(), left), 0.1)
        headers = dict(call.headers)
        if self._index is not None:
            headers["X-Vault-Index"] = self._index
            if self._forwarding:
                headers["X-Vault-Inconsistent"] = "forward-active-node"
        try:
            return self._transport.send(
                call.method,
                f"{address}/v1/{call.path}",
                headers=headers,
                body=call.body,
                params=call.params,
                timeout=timeout,
            )
        except HTTPError as error:
            return _Failure(
                faults.unreachable(address, error, self._settings),
                sent=faults.may_have_been_sent(error),
                patience=0.0 if faults.lasts(error) else math.inf,
            )

    def _judge(
        self, address: str, call: Call, answer: Answer, meaning: Meaning
    ) -> Answer | _Failure:
        fault, verdict = meaning.fault, meaning.verdict
        if verdict is Verdict.LAGGING and not self._may_lag():
            verdict = Verdict.FINAL
        if fault is None or verdict is Verdict.FINAL:
            self._note_write(call, answer)
            self._prefer(address)
            if fault is not None:
                raise fault
            return answer
        if isinstance(fault, VaultSealed) and not self._is_initialized(address):
            fault = NotInitialized(f"Vault at {address} was never initialised")
        return _Failure(
            fault,
            sent=meaning.acted,
            patience=_patience(verdict, fault),
            pause=verdict in {Verdict.BACK_OFF, Verdict.LAGGING},
            wait=meaning.wait,
        )

    def _may_lag(self) -> bool:
        """Tell whether a standby may not know yet what was written."""
        return self._written_at is not None and time.monotonic() - self._written_at <= retry.LAG

    def _note_write(self, call: Call, answer: Answer) -> None:
        if call.method in _READS or answer.status >= 400:
            return
        self._index = answer.headers.get("X-Vault-Index", self._index)
        if not _LEAVES_NOTHING.search(call.path):
            self._written_at = time.monotonic()

    def _prefer(self, address: str) -> None:
        """Ask the node that answered first from now on; one redirected to is no node of ours."""
        if address in self._addresses:
            self._addresses.remove(address)
            self._addresses.insert(0, address)

    def _target(self, address: str, answer: Answer) -> str:
        """Return the address that a redirect names."""
        if self._settings.disable_redirects:
            raise VaultError(
                f"{address} is a standby and redirects, which VAULT_DISABLE_REDIRECTS forbids",
                status=answer.status,
            )
        location = urlsplit(answer.headers.get("Location", ""))
        if location.scheme not in {"http", "https"} or not location.netloc:
            raise VaultError(f"{address} redirects to nowhere", status=answer.status)
        if address.startswith("https:") and location.scheme == "http":
            raise VaultError(
                f"{address} redirects from https to http://{location.netloc}, which would show "
                "the token to everybody on the way",
                status=answer.status,
                hint="set api_addr on the server to its https address",
            )
        return f"{location.scheme}://{location.netloc}"

    def _is_initialized(self, address: str) -> bool:
        """Tell whether a sealed node has keys at all; if in doubt, it has."""
        try:
            state = self._transport.send(
                "GET",
                f"{address}/v1/sys/init",
                headers={},
                body=None,
                params=None,
                timeout=retry.ONE_TRY,
            )
        except HTTPError:
            return True
        return state.body is None or state.body.get("initialized") is not False


def _patience(verdict: Verdict, fault: DockerTLSError) -> float:
    if verdict is Verdict.NEVER_HERE or isinstance(fault, NotInitialized):
        return 0.0
    return retry.ELECTION if verdict in {Verdict.BRIEFLY, Verdict.REDIRECT} else math.inf


def _most_telling(failures: Sequence[_Failure]) -> DockerTLSError:
    """Return the fault of a node that is there, if one is: the others may just be down."""
    return max(failures, key=lambda failure: isinstance(failure.fault, TryAgain)).fault
