"""Look up the token in use, and what it may do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from .answers import fields

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import timedelta

    from .session import Session


@dataclass(frozen=True)
class Token:
    """A token, as Vault describes it.

    ``path`` is the API path that created it; ``entity_id`` is that of its identity entity, if
    any. ``ttl`` is None if it never expires; ``remaining_uses``, which does not count this lookup,
    is None if there is no limit.
    """

    display_name: str
    type: str
    policies: tuple[str, ...]
    path: str
    entity_id: str | None
    ttl: timedelta | None
    renewable: bool
    remaining_uses: int | None


def lookup(session: Session) -> Token:
    """Return the token in use; raises what the session raises."""
    data = fields.data(session.client.auth.token.lookup_self())
    ttl = fields.seconds(data, "ttl")
    ends = bool(ttl) or bool(data.get("expire_time"))
    return Token(
        display_name=str(data.get("display_name") or ""),
        type=str(data.get("type") or ""),
        policies=(*fields.texts(data, "policies"), *fields.texts(data, "identity_policies")),
        path=str(data.get("path") or ""),
        entity_id=str(data["entity_id"]) if data.get("entity_id") else None,
        ttl=ttl if ends else None,
        renewable=bool(data.get("renewable")),
        remaining_uses=fields.number(data, "num_uses") or None,
    )


def capabilities(session: Session, paths: Sequence[str]) -> dict[str, frozenset[str]]:
    """Return the token's capabilities on each of ``paths``; none is ``{"deny"}``."""
    data = fields.data(
        session.client.sys.get_capabilities(  # type: ignore[no-untyped-call]  # so are all of hvac's
            list(paths)
        )
    )
    return {path: frozenset(fields.texts(data, path)) for path in paths}
