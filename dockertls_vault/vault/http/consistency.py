"""Read our own writes from a standby that may not have replicated them yet.

Vault responds to a write with ``X-Vault-Index``. A standby that gets this header in a request, and
is behind, returns an error (Vault: 412, OpenBao: 429 without a message), or forwards the request to
the leader if ``X-Vault-Inconsistent`` requests that and the configuration allows it. HashiCorp
Vault does not by default: it returns 400.
"""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

from . import retry

if TYPE_CHECKING:
    from collections.abc import Mapping

_READS = {"GET", "LIST", "HEAD"}
# Writes that no later request depends on; a token carries its own index.
_LEAVES_NOTHING = re.compile(r"^auth/|^sys/(wrapping|capabilities-self)|/sign/[^/]+$")


class OwnWrites:
    """The index of a session's last write, and whether a standby may not have it yet."""

    def __init__(self) -> None:
        self._index: str | None = None
        self._written_at: float | None = None
        self._forwarding = True

    def note(self, method: str, path: str, headers: Mapping[str, str]) -> None:
        """Record a request that succeeded, and the headers of its response."""
        if method in _READS:
            return
        self._index = headers.get("X-Vault-Index", self._index)
        if not _LEAVES_NOTHING.search(path):
            self._written_at = time.monotonic()

    def headers(self) -> dict[str, str]:
        """Return the headers to add to a request."""
        if self._index is None:
            return {}
        if self._written_at is None or not self._forwarding:
            return {"X-Vault-Index": self._index}
        return {"X-Vault-Index": self._index, "X-Vault-Inconsistent": "forward-active-node"}

    def forget_forwarding(self) -> bool:
        """Stop requesting forwarding; return whether it was requested until now."""
        before, self._forwarding = self._forwarding, False
        return before

    def may_be_missing(self) -> bool:
        """Tell whether a standby may not have the last write yet."""
        return self._written_at is not None and time.monotonic() - self._written_at <= retry.LAG
