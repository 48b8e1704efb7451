"""What is said where nothing says where Vault is, or who we are to it."""

from __future__ import annotations

import pytest

from dockertls_vault.errors import NoToken
from dockertls_vault.settings import resolve
from dockertls_vault.vault.session import open_session

ADDRESS = {"VAULT_ADDR": "http://127.0.0.1:1"}
SUDO = {"SUDO_USER": "alice"}
NEITHER = "no Vault address is set either"


def refusal(variables: dict[str, str]) -> NoToken:
    """Begin a session that has nothing to log in with; return what is said."""
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
    ids=["neither", "an address", "sudo", "sudo, and an address in a file"],
)
def test_no_token(variables: dict[str, str], nor_an_address: bool, hints: tuple[str, ...]) -> None:
    """That the address is missing too is said at once, and what sudo has to do with it."""
    error = refusal(variables)
    assert (NEITHER in error.message) is nor_an_address
    assert [hint for hint in hints if hint not in error.hint] == []
    assert ("sudo" in error.hint) is ("SUDO_USER" in variables)
