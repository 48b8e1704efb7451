"""What a response from Vault can mean, and the type of the table's rows; pure."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import Enum, auto
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from dockertls_vault.errors import DockerTLSError
    from dockertls_vault.settings.address import Address

# Characters. A regular expression can take quadratic time on a longer text, and nobody reads more.
_MAX_MESSAGE = 4096


class Verdict(Enum):
    """What to do after a response: whether to send the request again, and where."""

    FINAL = auto()  # success or failure, a retry would give the same response
    REDIRECT = auto()  # a standby redirects to the leader
    NEXT_NODE = auto()  # this node cannot answer now; try another one, or this one later
    BRIEFLY = auto()  # the same, but give up if it lasts longer than an election
    NEVER_HERE = auto()  # the server at this address is not Vault; another address may be
    BACK_OFF = auto()  # too many requests; do not send this one to other nodes either
    LAGGING = auto()  # not found, or not yet replicated if it was written a moment ago
    NO_FORWARDING = auto()  # the server rejects our forwarding header; send it without


@dataclass(frozen=True)
class Refusal:
    """An unsuccessful response, with everything that its error message needs.

    ``path`` has no ``/v1/``. ``message`` is the server's, on one line and shortened; ``match`` is
    where a row found its phrase in it. ``date`` is the time of the response in UTC, by the server's
    clock.
    """

    method: str
    path: str
    address: Address
    status: int
    errors: tuple[str, ...]
    headers: Mapping[str, str] = field(repr=False)
    date: datetime | None = None
    match: re.Match[str] | None = None

    @cached_property
    def message(self) -> str:
        joined = "; ".join(" ".join(error.split()) for error in self.errors)
        return joined[:_MAX_MESSAGE] or f"HTTP {self.status}"

    def group(self, name: str) -> str:
        """Return the group ``name`` of the row's phrase in the message, "" if it has no match."""
        return self.match[name] if self.match else ""


@dataclass(frozen=True)
class Row:
    """A response, recognized by status (any if ``statuses`` is empty), message and path.

    ``phrase`` and ``path`` are regular expressions that are searched for in the message and in the
    path. ``acted`` is true if Vault may have carried out the request anyway.
    """

    statuses: frozenset[int]
    phrase: str
    verdict: Verdict
    error: Callable[[Refusal], DockerTLSError] = field(repr=False)
    path: str = ""
    acted: bool = False

    def search(self, refusal: Refusal) -> re.Match[str] | None:
        """Return the match of the phrase if the row fits ``refusal``, else None."""
        if self.statuses and refusal.status not in self.statuses:
            return None
        if not re.search(self.path, refusal.path):
            return None
        return re.search(self.phrase, refusal.message)


def row(
    statuses: int | tuple[int, ...],
    phrase: str,
    verdict: Verdict,
    error: Callable[[Refusal], DockerTLSError],
    *,
    path: str = "",
    acted: bool = False,
) -> Row:
    """Return a row; a single status needs no tuple."""
    several = statuses if isinstance(statuses, tuple) else (statuses,)
    return Row(frozenset(several), phrase, verdict, error, path=path, acted=acted)
