"""What came back from a node, before anything is made of it."""

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
    """What a node answered; ``body`` is None where it is not JSON, and ``text`` begins it then.

    Any of it can hold a token, as after a login, so the repr shows none of it.
    """

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: dict[str, Any] | None = field(repr=False)
    empty: bool
    text: str = field(default="", repr=False)

    @property
    def errors(self) -> tuple[str, ...]:
        """Vault's own words about what is wrong."""
        found = (self.body or {}).get("errors")
        return tuple(map(str, found)) if isinstance(found, list) else ()

    @property
    def date(self) -> datetime | None:
        """When it was answered, in UTC by the clock of who did; None where that is not said."""
        try:
            date = parsedate_to_datetime(self.headers.get("Date", ""))
            return date.replace(tzinfo=UTC) if date.tzinfo is None else date.astimezone(UTC)
        except (ValueError, OverflowError):
            return None
