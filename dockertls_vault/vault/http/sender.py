"""One call to one node: sent, followed to where it is redirected, and judged."""

from __future__ import annotations

import copy
import dataclasses
import logging
import math
import threading
import time
from dataclasses import dataclass
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

# For how many seconds it makes sense to ask again; where nothing is said, as long as there is time.
PATIENCE = {
    Verdict.NEVER_HERE: 0.0,
    Verdict.BRIEFLY: retry.ELECTION,
    Verdict.REDIRECT: retry.ELECTION,
}
_SHORTEST = 0.1  # seconds
# What a server says, too, that knows nothing of a path before Vault's own.
_ASTRAY = {Verdict.FINAL, Verdict.LAGGING, Verdict.NEVER_HERE}


@dataclass(frozen=True)
class Failure:
    """A try that gave no answer, and that another node, or this one later, may mend.

    ``sent``: the node may have acted on it. ``patience``: for how many seconds it makes sense to
    ask again. ``pause``: the other nodes are not to be asked either, for ``wait`` seconds at least.
    """

    fault: DockerTLSError
    sent: bool = False
    patience: float = math.inf
    pause: bool = False
    wait: float = 0.0


class Sender:
    """Takes calls to nodes, and remembers between them what was written and what was learnt."""

    def __init__(self, settings: Settings, transport: Transport) -> None:
        self._settings = settings
        self._transport = transport
        self._lock = threading.Lock()
        self._exposed: set[Address] = set()
        self._writes = OwnWrites()
        self._right: set[Address] = set()
        self._initialized: set[Address] = set()

    def another(self) -> Sender:
        """Return one for another thread: what is written in one is not to be read in the other."""
        found = copy.copy(self)
        found._writes = copy.copy(self._writes)  # noqa: SLF001 - of the same class
        return found

    def send(self, call: Call, address: Address, seconds: float) -> Answer | Failure:
        """Return the answer, a success, or a failure that may pass; raises what will not.

        The node has ``seconds`` for it, the one that it redirects to included.
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
        """Send, and follow a redirect once; return the address that answered, and its answer."""
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
        self._tell_exposed(asked.server)
        address = redirect.base(asked, call.path)
        # What was asked for in a query, a list by its own, is part of where it leads.
        method = "GET" if call.method == "LIST" else call.method
        bare = dataclasses.replace(call, method=method, params=None)
        outcome = self._send(bare, address, asked, until)
        return outcome if isinstance(outcome, Failure) else (address, outcome)

    def _tell_exposed(self, leader: Address) -> None:
        """Say once of each server that is redirected to what is said of those in the settings."""
        if not plaintext.exposes_token(leader, self._settings):
            return
        with self._lock:
            told = leader in self._exposed
            self._exposed.add(leader)
        if not told:
            logger.warning(plaintext.words(leader))

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
                patience=0.0 if failures.lasts(error) or self._nobody(address, error) else math.inf,
            )

    def _left(self, until: float) -> float:
        """Return the seconds for one request; a timeout of zero would be none at all."""
        longest = self._settings.client_timeout.total_seconds()
        return max(min(until - time.monotonic(), longest), _SHORTEST)

    def _nobody(self, address: Address, error: HTTPError) -> bool:
        """Tell whether nothing runs on this machine, and there is nobody else to ask."""
        alone = self._settings.addresses == (address,)
        return alone and address.is_loopback and failures.is_refused(error)

    def _judge(
        self, call: Call, address: Address, answer: Answer, meaning: Meaning, until: float
    ) -> Answer | Failure:
        fault, verdict = meaning.fault, meaning.verdict
        if fault is None:
            self._right.add(address)
            self._writes.note(call.method, call.path, answer.headers)
            return answer
        fault.acted = meaning.acted
        is_there = not isinstance(fault, VaultUnreachable)
        if verdict in _ASTRAY and is_there and self._is_astray(address, until):
            return Failure(failures.astray(address, self._settings), patience=0.0)
        if verdict is Verdict.LAGGING and not self._writes.may_be_missing():
            verdict = Verdict.FINAL
        if verdict in {Verdict.FINAL, Verdict.NO_FORWARDING}:
            raise fault
        if isinstance(fault, VaultSealed) and self._is_new(address, until):
            fault = NotInitialized(f"Vault at {address} was never initialized")
            return Failure(fault, patience=0.0)
        return Failure(
            fault,
            sent=meaning.acted,
            patience=PATIENCE.get(verdict, math.inf),
            pause=verdict in {Verdict.BACK_OFF, Verdict.LAGGING},
            wait=meaning.wait,
        )

    def _is_new(self, address: Address, until: float) -> bool:
        """Tell whether a sealed node was never initialized; once it was, it stays so."""
        if address in self._initialized:
            return False
        initialized = self._init(address, until).get("initialized")
        if initialized:
            self._initialized.add(address)
        return initialized is False

    def _is_astray(self, address: Address, until: float) -> bool:
        """Tell whether the path of ``address`` leads past Vault; if in doubt, it does not."""
        if address.is_unix or not address.path or address in self._right:
            return False
        if "initialized" not in self._init(address, until):
            return True
        self._right.add(address)
        return False

    def _init(self, address: Address, until: float) -> Mapping[str, object]:
        """Ask for what Vault tells anybody in any state: whether it is initialized."""
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
    """Return what Vault at ``address`` has at ``path``; the file of a socket is no part of it."""
    below = "" if address.is_unix else address.path
    return Target(address, f"{below}/v1/{path}")
