"""Errors if neither Vault's address nor a way to log in is configured."""

from __future__ import annotations

import pytest

from dockertls_vault.errors import NoToken
from dockertls_vault.settings import resolve
from dockertls_vault.vault.session import open_session

ADDRESS = {"VAULT_ADDR": "http://127.0.0.1:1"}
SUDO = {"SUDO_USER": "alice"}
NEITHER = "no Vault address is set either"


def refusal(variables: dict[str, str]) -> NoToken:
    """Open a session without any login method; return the error."""
    found = resolve.resolve({}, variables, [])
    with pytest.raises(NoToken) as caught, open_session(found):
        pytest.fail("the session began without a token")
    return caught.value


@pytest.mark.parametrize(
    ("variables", "nor_an_address", "hints"),
    [
        ({}, True, ("VAULT_ADDR", "VAULT_TOKEN", "~/.vault-token", "--auth", "dev")),
        (ADDRESS, False, ("VAULT_TOKEN", "BAO_TOKEN", "~/.vault-token", "--auth")),
        (SUDO, True, ("VAULT_ADDR", "VAULT_TOKEN", "`sudo -E`")),
        (ADDRESS | SUDO, False, ("VAULT_TOKEN", "`sudo -E`")),
    ],
    ids=["neither", "address", "sudo", "sudo with an address in a file"],
)
def test_missing_token_error_mentions_a_missing_address_and_sudo(
    variables: dict[str, str], nor_an_address: bool, hints: tuple[str, ...]
) -> None:
    """Both are reported at once, with a hint that sudo clears the environment."""
    error = refusal(variables)
    assert (NEITHER in error.message) is nor_an_address
    assert [hint for hint in hints if hint not in error.hint] == []
    assert ("sudo" in error.hint) is ("SUDO_USER" in variables)
