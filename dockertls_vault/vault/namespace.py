"""Detect a server without namespaces: Vault Community silently ignores X-Vault-Namespace."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from dockertls_vault.errors import DockerTLSError

if TYPE_CHECKING:
    from .session import Session

_ROOT = "root"  # what Vault Enterprise and OpenBao call the root namespace


def is_ignored(session: Session) -> bool:
    """Tell whether the server ignores the namespace in the settings; False if that is unclear.

    Requests the mounts of a namespace that does not exist, without a token: a server that has
    namespaces rejects that, a server that ignores them does not.
    """
    namespace = session.settings.namespace
    if not namespace or namespace == _ROOT:
        return False
    nowhere = {"X-Vault-Namespace": f"{namespace}/nowhere-{secrets.token_hex(8)}"}
    try:
        session.anonymous.get("/v1/sys/internal/ui/mounts", headers=nowhere)
    except DockerTLSError:
        return False
    return True
