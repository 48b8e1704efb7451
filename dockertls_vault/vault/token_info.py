"""The token that we work with, as Vault describes it to its bearer."""

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
    """What Vault says of it.

    ``path`` is where it was made, ``entity`` who it belongs to, None for nobody. ``ttl`` is None
    for a token that never ends, and ``remaining_uses``, this look not counted, for one that may be
    used as often as one likes.
    """

    display_name: str
    type: str
    policies: tuple[str, ...]
    path: str
    entity: str | None
    ttl: timedelta | None
    renewable: bool
    remaining_uses: int | None


def lookup(session: Session) -> Token:
    """Ask Vault about the token; raises what the session raises."""
    data = fields.data(session.client.auth.token.lookup_self())
    ttl = fields.seconds(data, "ttl")
    ends = bool(ttl) or bool(data.get("expire_time"))
    return Token(
        display_name=str(data.get("display_name") or ""),
        type=str(data.get("type") or ""),
        policies=(*fields.texts(data, "policies"), *fields.texts(data, "identity_policies")),
        path=str(data.get("path") or ""),
        entity=str(data["entity_id"]) if data.get("entity_id") else None,
        ttl=ttl if ends else None,
        renewable=bool(data.get("renewable")),
        remaining_uses=fields.number(data, "num_uses") or None,
    )


def capabilities(session: Session, paths: Sequence[str]) -> dict[str, frozenset[str]]:
    """Ask Vault what the token may do on each of ``paths``; nothing there is ``deny``."""
    data = fields.data(
        session.client.sys.get_capabilities(  # type: ignore[no-untyped-call]  # so are all of hvac's
            list(paths)
        )
    )
    return {path: frozenset(fields.texts(data, path)) for path in paths}
