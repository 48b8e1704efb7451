"""What we wrote a moment ago: how to read it back from a node that may not have it yet.

Vault answers a write with ``X-Vault-Index``. A standby that is asked with it and has not got
there says so (Vault: 412, OpenBao: 429 without a word), or passes the request on to the leader
if ``X-Vault-Inconsistent`` asks for that and its configuration allows it, which HashiCorp
Vault's does not by default: it answers 400 then.
"""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

from . import retry

if TYPE_CHECKING:
    from collections.abc import Mapping

_READS = {"GET", "LIST", "HEAD"}
# Calls that write nothing which a later call could miss; a token is known by its own index.
_LEAVES_NOTHING = re.compile(r"^auth/|^sys/(wrapping|capabilities-self)|/sign/[^/]+$")


class OwnWrites:
    """The index of the last write of a session, and whether it can still be missing somewhere."""

    def __init__(self) -> None:
        self._index: str | None = None
        self._written_at: float | None = None
        self._forwarding = True

    def note(self, method: str, path: str, headers: Mapping[str, str]) -> None:
        """Remember a request that succeeded, with the headers of its answer."""
        if method in _READS:
            return
        self._index = headers.get("X-Vault-Index", self._index)
        if not _LEAVES_NOTHING.search(path):
            self._written_at = time.monotonic()

    def headers(self) -> dict[str, str]:
        """Return what a request says about them."""
        if self._index is None:
            return {}
        if self._written_at is None or not self._forwarding:
            return {"X-Vault-Index": self._index}
        return {"X-Vault-Index": self._index, "X-Vault-Inconsistent": "forward-active-node"}

    def forget_forwarding(self) -> bool:
        """Never ask for forwarding again; tell whether it was asked for until now."""
        before, self._forwarding = self._forwarding, False
        return before

    def may_be_missing(self) -> bool:
        """Tell whether a standby may not know yet what was written."""
        return self._written_at is not None and time.monotonic() - self._written_at <= retry.LAG
