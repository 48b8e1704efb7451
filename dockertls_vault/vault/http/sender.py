"""Send a call to one node, follow its redirect, and decide what the response means."""

from __future__ import annotations

import copy
import dataclasses
import logging
import math
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from urllib3.exceptions import HTTPError

from dockertls_vault.errors import (
    DockerTLSError,
    NotInitialized,
    VaultError,
    VaultSealed,
    VaultUnreachable,
)
from dockertls_vault.settings.address import Target
from dockertls_vault.vault.answers import table
from dockertls_vault.vault.answers.meaning import Verdict
from dockertls_vault.vault.once import Once

from . import failures, plaintext, redirect, retry
from .consistency import OwnWrites
from .masking import mask

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dockertls_vault.settings.address import Address
    from dockertls_vault.settings.schema import Settings
    from dockertls_vault.vault.answers.answer import Answer
    from dockertls_vault.vault.answers.table import Meaning

    from .call import Call
    from .transport import Transport

logger = logging.getLogger(__name__)

# How long to retry after a verdict, in seconds; after any other, until the budget is used up.
PATIENCE = {
    Verdict.NEVER_HERE: 0.0,
    Verdict.BRIEFLY: retry.ELECTION,
    Verdict.REDIRECT: retry.ELECTION,
}
_SHORTEST = 0.1  # seconds
# Verdicts that may only mean a wrong base path in the address.
_MAYBE_WRONG_PATH = {Verdict.FINAL, Verdict.LAGGING, Verdict.NEVER_HERE}


@dataclass(frozen=True)
class Failure:
    """A failed attempt; another node, or this one later, may succeed.

    ``sent``: the node may have acted on the call. ``patience``: the seconds for which a retry may
    succeed. ``pause``: do not try the other nodes either, for at least ``wait`` seconds.
    """

    fault: DockerTLSError
    sent: bool = False
    patience: float = math.inf
    pause: bool = False
    wait: float = 0.0


@dataclass(frozen=True)
class Servers:
    """What a session has learned about servers, shared by all its threads.

    ``exposed``: the user was warned that they get the token in the clear. ``right``: their path
    leads to Vault. ``initialized``: they are sealed, but not new.
    """

    exposed: Once = field(default_factory=Once)
    right: set[Address] = field(default_factory=set)
    initialized: set[Address] = field(default_factory=set)


class Sender:
    """Sends calls to nodes, and keeps track of its writes and of what it learns about servers."""

    def __init__(
        self,
        settings: Settings,
        transport: Transport,
        writes: OwnWrites | None = None,
        servers: Servers | None = None,
    ) -> None:
        self._settings = settings
        self._transport = transport
        self._writes = writes or OwnWrites()
        self._servers = servers or Servers()

    def for_another_thread(self) -> Sender:
        """Return a sender for another thread, with a copy of the writes so far."""
        return Sender(self._settings, self._transport, copy.copy(self._writes), self._servers)

    def send(self, call: Call, address: Address, seconds: float) -> Answer | Failure:
        """Return a successful response, or a failure that may be temporary; raises any other.

        ``seconds`` covers both requests if the node redirects.
        """
        until = time.monotonic() + seconds
        reached = self._reach(call, address, until)
        if isinstance(reached, Failure):
            return reached
        address, answer = reached
        answer = mask(answer, call)
        meaning = table.read(call.method, call.path, address, answer)
        if meaning.verdict is Verdict.NO_FORWARDING and self._writes.forget_forwarding():
            return self.send(call, address, until - time.monotonic())
        return self._judge(call, address, answer, meaning, until)

    def _reach(
        self, call: Call, address: Address, until: float
    ) -> tuple[Address, Answer] | Failure:
        """Send, and follow one redirect; return the address that answered, and its answer."""
        asked = _of(address, call.path)
        outcome = self._send(call, address, asked, until)
        if isinstance(outcome, Failure):
            return outcome
        if not table.is_redirect(outcome):
            return address, outcome
        follow = not self._settings.disable_redirects
        try:
            asked = redirect.target(address, asked, outcome, follow=follow)
        except VaultError as fault:
            return Failure(fault, patience=0.0)
        self._warn_if_exposed(asked.server)
        address = redirect.base(asked, call.path)
        # The redirect's target has the query already, that of a LIST included.
        method = "GET" if call.method == "LIST" else call.method
        bare = dataclasses.replace(call, method=method, params=None)
        outcome = self._send(bare, address, asked, until)
        return outcome if isinstance(outcome, Failure) else (address, outcome)

    def _warn_if_exposed(self, leader: Address) -> None:
        """Warn once for each server redirected to, as for those in the settings."""
        if plaintext.exposes_token(leader, self._settings) and self._servers.exposed.first(leader):
            logger.warning(plaintext.warning(leader))

    def _send(self, call: Call, address: Address, asked: Target, until: float) -> Answer | Failure:
        try:
            return self._transport.send(
                call.method,
                asked,
                headers={**call.headers, **self._writes.headers()},
                body=call.body,
                params=call.params,
                timeout=self._left(until),
            )
        except HTTPError as error:
            return Failure(
                failures.unreachable(address, error, self._settings),
                sent=failures.may_have_been_sent(error),
                patience=0.0
                if failures.is_permanent(error) or self._is_down(address, error)
                else math.inf,
            )

    def _left(self, until: float) -> float:
        """Return the timeout of one request in seconds; zero would mean no timeout."""
        longest = self._settings.client_timeout.total_seconds()
        return max(min(until - time.monotonic(), longest), _SHORTEST)

    def _is_down(self, address: Address, error: HTTPError) -> bool:
        """Tell whether the only node is one on this machine that is not running."""
        is_only = self._settings.addresses == (address,)
        return is_only and address.is_loopback and failures.nothing_listens(error)

    def _judge(
        self, call: Call, address: Address, answer: Answer, meaning: Meaning, until: float
    ) -> Answer | Failure:
        fault, verdict = meaning.fault, meaning.verdict
        if fault is None:
            self._servers.right.add(address)
            self._writes.note(call.method, call.path, answer.headers)
            return answer
        fault.acted = meaning.acted
        is_there = not isinstance(fault, VaultUnreachable)
        if verdict in _MAYBE_WRONG_PATH and is_there and self._has_wrong_path(address, until):
            return Failure(failures.wrong_path(address, self._settings), patience=0.0)
        if verdict is Verdict.LAGGING and not self._writes.may_be_missing():
            verdict = Verdict.FINAL
        if verdict in {Verdict.FINAL, Verdict.NO_FORWARDING}:
            raise fault
        if isinstance(fault, VaultSealed) and self._is_new(address, until):
            fault = NotInitialized(f"Vault at {address} is not initialized")
            return Failure(fault, patience=0.0)
        return Failure(
            fault,
            sent=meaning.acted,
            patience=PATIENCE.get(verdict, math.inf),
            pause=verdict in {Verdict.BACK_OFF, Verdict.LAGGING},
            wait=meaning.wait,
        )

    def _is_new(self, address: Address, until: float) -> bool:
        """Tell whether a sealed node was never initialized."""
        if address in self._servers.initialized:
            return False
        initialized = self._init(address, until).get("initialized")
        if initialized:
            self._servers.initialized.add(address)
        return initialized is False

    def _has_wrong_path(self, address: Address, until: float) -> bool:
        """Return whether there is no Vault at the path of ``address``; False if that is unclear."""
        if address.is_unix or not address.path or address in self._servers.right:
            return False
        if "initialized" not in self._init(address, until):
            return True
        self._servers.right.add(address)
        return False

    def _init(self, address: Address, until: float) -> Mapping[str, object]:
        """Return the response of sys/init, which needs no token and works in any state."""
        try:
            answer = self._transport.send(
                "GET",
                _of(address, "sys/init"),
                headers={},
                body=None,
                params=None,
                timeout=min(self._left(until), retry.ONE_TRY),
            )
        except HTTPError:
            return {"initialized": None}
        in_doubt = answer.status >= 500 or answer.status == 429
        return {"initialized": None} if in_doubt else answer.body or {}


def _of(address: Address, path: str) -> Target:
    """Return the target of ``path`` at ``address``; the path of a Unix socket is not part of it."""
    below = "" if address.is_unix else address.path
    return Target(address, f"{below}/v1/{path}")
