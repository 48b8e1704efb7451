"""Whether the server has namespaces at all: Vault Community ignores X-Vault-Namespace silently."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from dockertls_vault.errors import DockerTLSError

if TYPE_CHECKING:
    from .session import Session

_ROOT = "root"  # Enterprise's and OpenBao's name for the one that is always there


def is_ignored(session: Session) -> bool:
    """Tell whether the namespace that was asked for makes no difference to the server.

    It is asked, without a token, for the mounts of a namespace that there is not: whoever has
    namespaces refuses, whoever ignores them answers. If in doubt, it has them.
    """
    asked = session.settings.namespace
    if not asked or asked == _ROOT:
        return False
    nowhere = {"X-Vault-Namespace": f"{asked}/nowhere-{secrets.token_hex(8)}"}
    try:
        session.anonymous.get("/v1/sys/internal/ui/mounts", headers=nowhere)
    except DockerTLSError:
        return False
    return True
