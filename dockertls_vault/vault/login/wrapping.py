"""Response-wrapping tokens: look up, unwrap, and distinguish from other tokens.

A request that uses one as its own token spends it, whatever the response, and only
``sys/wrapping`` accepts it. A lookup with the token in the body leaves it intact. That is the only
way to distinguish it, because it looks like any other token (docs/explanation/decisions.md).
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
    """Return the path that created what ``token`` wraps; raises WrappingTokenInvalid."""
    answer = anonymous.post("/v1/sys/wrapping/lookup", json={"token": token})
    return fields.text(fields.data(answer), "creation_path")


def unwrap(anonymous: Adapter, token: str) -> dict[str, Any]:
    """Return the data that ``token`` wraps; this works only once."""
    try:
        # OpenBao requires the token as the request's own, not in the body.
        answer = anonymous.post("/v1/sys/wrapping/unwrap", headers={"X-Vault-Token": token})
    except UnavailableError as error:
        error.hint = "request a new wrapped secret_id: this one may have been unwrapped anyway"
        raise
    return fields.data(answer)


def refuse(anonymous: Adapter, token: str, origin: str) -> None:
    """Raise NoToken if ``token`` is a wrapping token; that does not spend it.

    A proxy that only allows signing may reject the lookup, perhaps in Vault's format (405, 413):
    then the token counts as an ordinary one. If Vault itself fails, its error is raised, so as not
    to risk spending a wrapping token.
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
    """Return the error for a wrapping token, created at ``path``, in place of a token."""
    hint = (
        "set DOCKERTLS_WRAPPED_SECRET_ID to it, and set the role_id"
        if _SECRET_ID.fullmatch(path)
        else "unwrap it (`bao unwrap -field=token` or `vault unwrap -field=token`) and use the "
        "token it returns"
    )
    return NoToken(
        f"{origin} holds a wrapping token (created at {path!r}), not a Vault token; it was left "
        "unused",
        hint=hint,
    )
