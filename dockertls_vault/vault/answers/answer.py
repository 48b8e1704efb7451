"""A node's response to a request, before it is interpreted."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime


@dataclass(frozen=True)
class Answer:
    """A node's response; ``body`` is None if it is not JSON, and ``text`` is how it starts.

    After a login it contains a token, so the repr shows only the status.
    """

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: dict[str, Any] | None = field(repr=False)
    empty: bool
    text: str = field(default="", repr=False)

    @property
    def errors(self) -> tuple[str, ...]:
        """The error messages in Vault's response."""
        found = (self.body or {}).get("errors")
        return tuple(map(str, found)) if isinstance(found, list) else ()

    @property
    def date(self) -> datetime | None:
        """The time of the response in UTC, by the server's clock; None without a Date header."""
        try:
            date = parsedate_to_datetime(self.headers.get("Date", ""))
            return date.replace(tzinfo=UTC) if date.tzinfo is None else date.astimezone(UTC)
        except (ValueError, OverflowError):
            return None
