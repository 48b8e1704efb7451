"""The nodes of a cluster: one request arrives at one of them, or fails in words.

Failing over, trying again, following the leader and reading what was just written are done
here, for every call alike.
"""

from __future__ import annotations

import socket
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import requests
import urllib3.exceptions

from dockertls_vault.errors import (
    DockerTLSError,
    NoLeader,
    NotInitialized,
    VaultError,
)

from . import faults, retry
from .retry import Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from dockertls_vault.config import Settings

    from .transport import Answer, Transport

# Seconds; a wait longer than this is said.
_SILENT = 2.0
_READS = {"GET", "LIST", "HEAD"}


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

    ``sent``: the node may have acted on it. ``lasting``: the next try would end the same way.
    """

    fault: DockerTLSError
    sent: bool = False
    lasting: bool = False
    pause: bool = False


class Cluster:
    """The nodes in the order in which they are asked, and what is left of the time for them."""

    def __init__(
        self,
        settings: Settings,
        transport: Transport,
        *,
        say: Callable[[str], None],
        random: Callable[[], float],
    ) -> None:
        self._settings = settings
        self._transport = transport
        self._say = say
        self._random = random
        self._addresses = list(settings.addresses)
        self._left = settings.timeout.total_seconds()
        self._index: str | None = None
        self._written_at: float | None = None
        self._repeat = True
        self._said: set[str] = set()

    @property
    def address(self) -> str:
        """The node that answered last."""
        return self._addresses[0]

    @contextmanager
    def once(self) -> Iterator[None]:
        """Within it, a request that a node may have acted on is not sent again."""
        self._repeat = False
        try:
            yield
        finally:
            self._repeat = True

    def send(self, call: Call) -> Answer:
        """Return the answer to ``call``, whatever its status, within what is left of the budget.

        Raises the last failure when the budget is used up, when all nodes fail in a way that
        lasts, or when the call may have been acted on and must not be repeated.
        """
        tries = pauses = 0
        started = time.monotonic()
        while True:
            failures: list[_Failure] = []
            for address in tuple(self._addresses):
                outcome = self._try(address, call, started)
                if not isinstance(outcome, _Failure):
                    self._left -= time.monotonic() - started
                    return outcome
                failures.append(outcome)
                tries += 1
                if self._is_last(outcome, tries) or self._over(started):
                    raise outcome.fault
                if outcome.pause:
                    break
            wait = retry.pause(pauses, self._random)
            pauses += 1
            if all(failure.lasting for failure in failures) or self._over(started, wait):
                raise failures[-1].fault
            self._say_wait(failures[-1].fault, started)
            time.sleep(wait)

    def _is_last(self, failure: _Failure, tries: int) -> bool:
        limit = self._settings.max_retries
        return (failure.sent and not self._repeat) or (limit is not None and tries > limit)

    def _over(self, started: float, wait: float = 0.0) -> bool:
        return time.monotonic() + wait - started >= self._left

    def _say_wait(self, fault: DockerTLSError, started: float) -> None:
        if time.monotonic() - started >= _SILENT and fault.message not in self._said:
            self._said.add(fault.message)
            self._say(f"waiting for Vault: {fault.message}")

    def _try(self, address: str, call: Call, started: float) -> Answer | _Failure:
        outcome = self._ask(address, call, started)
        if isinstance(outcome, _Failure):
            return outcome
        if retry.classify(outcome.status, outcome.errors) is Verdict.REDIRECT:
            target = self._target(address, outcome)
            outcome = self._ask(target, call, started)
            if isinstance(outcome, _Failure):
                return outcome
            address = target
        return self._judge(address, call, outcome)

    def _ask(self, address: str, call: Call, started: float) -> Answer | _Failure:
        left = self._left - (time.monotonic() - started)
        timeout = min(retry.ONE_TRY, self._settings.client_timeout.total_seconds(), max(left, 0.1))
        headers = dict(call.headers)
        if self._index is not None:
            headers["X-Vault-Index"] = self._index
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
        except requests.exceptions.RequestException as error:
            return _Failure(
                faults.unreachable(address, error, self._settings),
                sent=_may_have_been_sent(error),
                lasting=_lasts(error),
            )

    def _judge(self, address: str, call: Call, answer: Answer) -> Answer | _Failure:
        verdict = retry.classify(answer.status, answer.errors)
        if verdict in {Verdict.DONE, Verdict.TOKEN_REFUSED}:
            self._note_write(call, answer)
            self._prefer(address)
            return answer
        if verdict is Verdict.LAGGING:
            return self._lagging(call, address, answer)
        if verdict is Verdict.REDIRECT:
            return _Failure(NoLeader(f"{address} redirects again after a redirect"))
        fault = faults.refused(call.method, call.path, address, answer)
        if verdict is Verdict.NEXT_NODE and "sealed" in " ".join(answer.errors):
            self._refuse_uninitialized(address)
        return _Failure(fault, pause=verdict is Verdict.BACK_OFF)

    def _lagging(self, call: Call, address: str, answer: Answer) -> Answer | _Failure:
        """Wait for a standby that may not know yet what was written; else take its word."""
        if self._written_at is None or time.monotonic() - self._written_at > retry.LAG:
            return answer
        return _Failure(faults.refused(call.method, call.path, address, answer), pause=True)

    def _note_write(self, call: Call, answer: Answer) -> None:
        if call.method in _READS or answer.status >= requests.codes.bad_request:
            return
        self._index = answer.headers.get("X-Vault-Index", self._index)
        if "/sign/" not in call.path:
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

    def _refuse_uninitialized(self, address: str) -> None:
        try:
            state = self._transport.send(
                "GET",
                f"{address}/v1/sys/init",
                headers={},
                body=None,
                params=None,
                timeout=retry.ONE_TRY,
            )
        except requests.exceptions.RequestException:
            return  # it was there a moment ago; the next try says more
        if state.body is not None and state.body.get("initialized") is False:
            raise NotInitialized(f"Vault at {address} was never initialised")


def _may_have_been_sent(error: requests.exceptions.RequestException) -> bool:
    """Tell whether the request was on its way when it failed; if in doubt, it was."""
    return not isinstance(
        error, requests.exceptions.ConnectTimeout | requests.exceptions.SSLError
    ) and not any(
        isinstance(cause, urllib3.exceptions.NewConnectionError) for cause in faults.causes(error)
    )


def _lasts(error: requests.exceptions.RequestException) -> bool:
    """Tell whether trying again could help: not with a certificate, a name or an odd server."""
    return isinstance(error, requests.exceptions.SSLError) or any(
        isinstance(cause, socket.gaierror) and cause.errno == socket.EAI_NONAME
        for cause in faults.causes(error)
    )
