"""Resolve a redirect, as Vault's command line follows it."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from dockertls_vault.errors import InvalidInput, VaultError

if TYPE_CHECKING:
    from dockertls_vault.settings.address import Address, Target
    from dockertls_vault.vault.answers.answer import Answer


def target(address: Address, asked: Target, answer: Answer, *, follow: bool) -> Target:
    """Return the URL that replaces ``asked``, after a redirect from the node at ``address``.

    The Location may be relative (RFC 9110 §10.2.2), and have another path prefix: the leader need
    not be behind the same proxy. Raises VaultError if it must not be followed.
    """
    location = answer.headers.get("Location", "")
    try:
        found = asked.join(location) if location else None
    except InvalidInput:
        found = None
    if found is None:
        raise VaultError(
            f"{address} sent an invalid redirect",
            status=answer.status,
            hint="check api_addr on the server",
        )
    if not follow:
        raise VaultError(
            f"{address} is a standby and redirects, but VAULT_DISABLE_REDIRECTS is set",
            status=answer.status,
            hint=f"use the leader's address: {found.server}",
        )
    # A redirect from a Unix socket to loopback stays on this machine.
    stays = asked.server.scheme == "http" or (asked.server.is_unix and found.server.is_loopback)
    if found.server.scheme == "http" and not stays:
        raise VaultError(
            f"{address} redirects from {asked.server.scheme} to {found.server}, which would send "
            "the token in the clear",
            status=answer.status,
            hint="set api_addr on the server to its https address",
        )
    return found


def base(asked: Target, path: str) -> Address:
    """Return the address of the node in the URL ``asked``, in the form of VAULT_ADDR."""
    end = f"/v1/{path}"
    prefix = asked.path.removesuffix(end) if asked.path.endswith(end) else ""
    return dataclasses.replace(asked.server, path=prefix)
