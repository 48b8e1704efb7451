"""Where a redirect leads: to the URL that it names, as Vault's own command line follows it."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urljoin, urlsplit

from dockertls_vault.errors import VaultError

from .address import is_loopback

if TYPE_CHECKING:
    from .transport import Answer


def target(address: str, url: str, answer: Answer, *, follow: bool) -> str:
    """Return the URL to ask instead of ``url``, which is one of the node at ``address``.

    It may be relative (RFC 9110, 10.2.2), and below another path: what a proxy puts before
    Vault's own path is no business of the leader's. Raises VaultError if it is not to be
    followed.
    """
    location = answer.headers.get("Location", "")
    try:
        found = urlsplit(urljoin(url, location))
        _ = found.port  # which may be no number, or none that a port can have
    except ValueError:
        location, found = "", urlsplit("")
    if not location or found.scheme not in {"http", "https"} or not found.netloc:
        raise VaultError(
            f"{address} sent an invalid redirect",
            status=answer.status,
            hint="is api_addr right on the server?",
        )
    if not follow:
        raise VaultError(
            f"{address} is a standby and redirects, which VAULT_DISABLE_REDIRECTS forbids",
            status=answer.status,
            hint=f"give the address of the leader: {found.scheme}://{found.netloc}",
        )
    before = urlsplit(url).scheme
    # What comes from a Unix socket may stay on this machine.
    stays = before == "http" or (before == "unix" and is_loopback(found.geturl()))
    if found.scheme == "http" and not stays:
        raise VaultError(
            f"{address} redirects from {before} to http://{found.netloc}, which would show "
            "the token to everybody on the way",
            status=answer.status,
            hint="set api_addr on the server to its https address",
        )
    return found.geturl()


def base(url: str, path: str) -> str:
    """Return the address of the node that ``url`` leads to for ``path``, as VAULT_ADDR has it."""
    parts = urlsplit(url)
    prefix = parts.path.removesuffix(f"/v1/{path}") if parts.path.endswith(f"/v1/{path}") else ""
    return f"{parts.scheme}://{parts.netloc}{prefix}"
