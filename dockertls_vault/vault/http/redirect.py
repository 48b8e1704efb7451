"""Where a redirect leads: to the URL that it names, as Vault's own command line follows it."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from dockertls_vault.errors import InvalidInput, VaultError

if TYPE_CHECKING:
    from dockertls_vault.settings.address import Address, Target
    from dockertls_vault.vault.answers.answer import Answer


def target(address: Address, asked: Target, answer: Answer, *, follow: bool) -> Target:
    """Return what to ask instead of ``asked``, which is one of the node at ``address``.

    It may be relative (RFC 9110, 10.2.2), and below another path: what a proxy puts before
    Vault's own path is no business of the leader's. Raises VaultError if it is not to be
    followed.
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
            f"{address} is a standby and redirects, which VAULT_DISABLE_REDIRECTS forbids",
            status=answer.status,
            hint=f"give the address of the leader: {found.server}",
        )
    # What comes from a Unix socket may stay on this machine.
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
    """Return the address of the node that ``asked`` is of, as VAULT_ADDR has it."""
    end = f"/v1/{path}"
    prefix = asked.path.removesuffix(end) if asked.path.endswith(end) else ""
    return dataclasses.replace(asked.server, path=prefix)
