"""Errors for a missing token or address, with a hint about sudo, which drops both."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dockertls_vault.errors import NoToken, VaultUnreachable

if TYPE_CHECKING:
    from dockertls_vault.settings.address import Address
    from dockertls_vault.settings.schema import Settings

# If the policy allows it, sudo -E also keeps HOME, and with it ~/.vault-token.
_SUDO = "sudo drops variables such as VAULT_ADDR and VAULT_TOKEN: set them, and use `sudo -E`"
_NEITHER = (
    "set VAULT_ADDR and VAULT_TOKEN (or BAO_ADDR and BAO_TOKEN, or the ~/.vault-token of `bao "
    "login` and `vault login`), or choose an auth method with --auth; "
    "`dockertls-vault dev` starts an OpenBao for trying it out"
)


def no_token(settings: Settings) -> NoToken:
    """Return the error for a missing token, which also mentions a missing address."""
    what = "no Vault token and no auth method"
    if "addresses" not in settings.origins:
        what += "; no Vault address is set either"
    if settings.under_sudo:
        return NoToken(what, hint=_SUDO)
    return NoToken(what, hint="" if "addresses" in settings.origins else _NEITHER)


def no_address(
    settings: Settings, address: Address, reason: str, *, guess: str = ""
) -> VaultUnreachable:
    """Return the error for an unset address, if Vault is not at the default ``address``.

    ``reason`` is what happened there; ``guess`` suggests another address as a question.
    """
    hint = "set VAULT_ADDR or BAO_ADDR to the address of Vault"
    return VaultUnreachable(
        f"no Vault address is set, and the default, {address}, {reason}",
        hint=_SUDO if settings.under_sudo else f"{hint}: {guess}" if guess else hint,
    )
