"""The token that we work with, as Vault describes it to its bearer."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from dockertls_vault.errors import NotVault

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .session import Session


@dataclass(frozen=True)
class Token:
    """What Vault says of it.

    ``path`` is where it was made, ``entity`` who it belongs to, None for nobody. ``ttl`` is None
    for a token that never ends, and ``uses_left``, this look not counted, for one that may be
    used as often as one likes.
    """

    display_name: str
    type: str
    policies: tuple[str, ...]
    path: str
    entity: str | None
    ttl: timedelta | None
    renewable: bool
    uses_left: int | None


def lookup(session: Session) -> Token:
    """Ask Vault about the token; raises what the session raises."""
    data = _data(session.client.auth.token.lookup_self())
    ttl = int(data.get("ttl") or 0)
    ends = ttl > 0 or bool(data.get("expire_time"))
    return Token(
        display_name=str(data.get("display_name") or ""),
        type=str(data.get("type") or ""),
        policies=tuple(
            map(str, (*(data.get("policies") or ()), *(data.get("identity_policies") or ())))
        ),
        path=str(data.get("path") or ""),
        entity=str(data["entity_id"]) if data.get("entity_id") else None,
        ttl=timedelta(seconds=ttl) if ends else None,
        renewable=bool(data.get("renewable")),
        uses_left=int(data["num_uses"]) if data.get("num_uses") else None,
    )


def capabilities(session: Session, paths: Sequence[str]) -> dict[str, frozenset[str]]:
    """Ask Vault what the token may do on each of ``paths``; nothing there is ``deny``."""
    data = _data(
        session.client.sys.get_capabilities(  # type: ignore[no-untyped-call]  # so are all of hvac's
            list(paths)
        )
    )
    return {path: frozenset(map(str, data.get(path) or ())) for path in paths}


def _data(body: Any) -> dict[str, Any]:
    data = body.get("data") if isinstance(body, dict) else None
    if not isinstance(data, dict):
        raise NotVault("the answer has no data, as Vault's would")
    return data
