"""What an answer of Vault's can mean, and the shape of a row that says so; pure."""

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

# Characters; a longer text takes a phrase that is searched for in it more than its length in time,
# and it would be no help to anybody.
_MOST_WORDS = 4096


class Verdict(Enum):
    """What follows from an answer: whether the request is sent again, and where."""

    FINAL = auto()  # it would be the same the next time, good or bad
    REDIRECT = auto()  # a standby names the leader
    NEXT_NODE = auto()  # this node cannot answer now; another one, or this one later, can
    BRIEFLY = auto()  # the same, but what outlasts an election will not pass by itself
    NEVER_HERE = auto()  # this address is no Vault; another one may be
    BACK_OFF = auto()  # too many requests; other nodes are not to be asked either
    LAGGING = auto()  # not there, or not there yet if it was written a moment ago
    NO_FORWARDING = auto()  # a header of ours is forbidden; the request is fine without it


@dataclass(frozen=True)
class Refusal:
    """An answer that is no success, with all that the words of an error are made of.

    ``path`` is without ``/v1/``, ``words`` are the first of the server's, in one line, ``date`` is
    the time of the answer in UTC by the server's clock, and ``said`` where a row found its phrase
    in the words.
    """

    method: str
    path: str
    address: Address
    status: int
    errors: tuple[str, ...]
    headers: Mapping[str, str] = field(repr=False)
    date: datetime | None = None
    said: re.Match[str] | None = None

    @cached_property
    def words(self) -> str:
        joined = "; ".join(" ".join(error.split()) for error in self.errors)
        return joined[:_MOST_WORDS] or f"HTTP {self.status}"

    def group(self, name: str) -> str:
        """Return the part of the words that the row's phrase calls ``name``."""
        return self.said[name] if self.said else ""


@dataclass(frozen=True)
class Row:
    """An answer that is known by its status (any, if none is named), a phrase and the path.

    ``phrase`` and ``path`` are regular expressions, searched for in the server's words and
    in the path; empty ones fit everything. ``acted``: Vault may have done what it was asked for
    all the same.
    """

    statuses: frozenset[int]
    phrase: str
    verdict: Verdict
    error: Callable[[Refusal], DockerTLSError] = field(repr=False)
    path: str = ""
    acted: bool = False

    def find(self, refusal: Refusal) -> re.Match[str] | None:
        """Return where the phrase is, if the row is the right one."""
        if self.statuses and refusal.status not in self.statuses:
            return None
        if not re.search(self.path, refusal.path):
            return None
        return re.search(self.phrase, refusal.words)


def row(
    statuses: int | tuple[int, ...],
    phrase: str,
    verdict: Verdict,
    error: Callable[[Refusal], DockerTLSError],
    *,
    path: str = "",
    acted: bool = False,
) -> Row:
    """Return a row, written as one reads it."""
    several = statuses if isinstance(statuses, tuple) else (statuses,)
    return Row(frozenset(several), phrase, verdict, error, path=path, acted=acted)
