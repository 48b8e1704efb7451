"""Response-wrapping tokens: looked into, unwrapped once, and told from tokens to work with.

A request that carries one as its own token spends it, whatever the answer is, and nothing but
``sys/wrapping`` takes it. Asked about in the body of a request without a token it stays as it
is, and only so can it be told from others: it looks like them (docs/explanation/decisions.md).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from dockertls_vault.errors import (
    NoToken,
    NotVault,
    UnavailableError,
    VaultError,
    WrappingTokenInvalid,
)
from dockertls_vault.vault.answers import fields

if TYPE_CHECKING:
    from dockertls_vault.vault.http.adapter import Adapter

_SECRET_ID = re.compile(r"auth/.+/role/[^/]+/secret-id")


def creation_path(anonymous: Adapter, token: str) -> str:
    """Return the path that created what ``token`` wraps; raises WrappingTokenInvalid if nothing."""
    answer = anonymous.post("/v1/sys/wrapping/lookup", json={"token": token})
    return fields.text(fields.data(answer), "creation_path")


def unwrap(anonymous: Adapter, token: str) -> dict[str, Any]:
    """Return the data that ``token`` wraps, which can be had once."""
    try:
        # OpenBao wants the token as the caller's, not in the body.
        answer = anonymous.post("/v1/sys/wrapping/unwrap", headers={"X-Vault-Token": token})
    except UnavailableError as error:
        error.hint = "request a new one and try again; it may have been unwrapped all the same"
        raise
    return fields.data(answer)


def refuse(anonymous: Adapter, token: str, origin: str) -> None:
    """Raise NoToken for a wrapping token, which is as good afterwards as it was before.

    What answers may be a proxy that lets nothing through but what is needed to sign, perhaps in
    Vault's own form (405, 413): then the token is taken for one. Where Vault itself failed, it is
    not risked.
    """
    try:
        path = creation_path(anonymous, token)
    except (WrappingTokenInvalid, NotVault):
        return
    except VaultError as error:
        if error.status >= 500:
            raise
        return
    raise wrapped(origin, path)


def wrapped(origin: str, path: str) -> NoToken:
    """Return what to say of a wrapping token in the place of a token; made at ``path``."""
    hint = (
        "give it as DOCKERTLS_WRAPPED_SECRET_ID, and the role_id with it"
        if _SECRET_ID.fullmatch(path)
        else "unwrap it (bao unwrap -field=token, or vault) and use the token inside"
    )
    return NoToken(
        f"a wrapping token is in {origin}, not a token (created at {path!r}); it was not used",
        hint=hint,
    )
