"""No secret that was sent appears in errors made from a server's answer."""

from __future__ import annotations

import pytest

from dockertls_vault.errors import DockerTLSError
from dockertls_vault.vault.answers.answer import Answer
from dockertls_vault.vault.http.call import Call
from dockertls_vault.vault.http.masking import mask
from dockertls_vault.vault.token_info import lookup
from tests.vault.misbehaving import misbehaving, says
from tests.vault.operator import session
from tests.vault.waits import Waits

SECRET = 's3cret-"word"'


@pytest.mark.parametrize("quoted", [SECRET, 's3cret-\\"word\\"'], ids=["verbatim", "escaped"])
@pytest.mark.parametrize("field", ["secret_id", "jwt", "password", "token", None])
def test_secret_of_the_request_is_masked(field: str | None, quoted: str) -> None:
    """In errors, warnings and text; nothing else is changed."""
    headers = {} if field else {"X-Vault-Token": SECRET}
    call = Call("POST", "auth/x/login", headers, {field: SECRET} if field else None)
    words = f"what is {quoted} to us?"
    body = {"errors": [words], "warnings": [words, 5], "data": {"kept": SECRET}}
    found = mask(Answer(400, {}, body, empty=False, text=words), call)
    masked = "what is *** to us?"
    assert found.text == masked
    assert found.body == {"errors": [masked], "warnings": [masked, "5"], "data": {"kept": SECRET}}


def test_short_secret_is_not_masked() -> None:
    """A one-letter password could be inferred from the masked positions."""
    answer = Answer(400, {}, {"errors": ["permission denied"]}, empty=False)
    assert mask(answer, Call("POST", "auth/x/login/alice", {}, {"password": "e"})) == answer


@pytest.mark.parametrize("status", ["400 No", "403 No", "500 No", "503 No"])
def test_server_that_echoes_a_secret_is_masked(status: str) -> None:
    """Whatever kind of error its answer becomes."""
    with (
        misbehaving(says("no such secret_id: of-the-role", status=status)) as node,
        session(
            node.address,
            Waits(),
            DOCKERTLS_ROLE_ID="r",
            DOCKERTLS_SECRET_ID="of-the-role",
            VAULT_MAX_RETRIES="0",
        ) as opened,
        pytest.raises(DockerTLSError) as caught,
    ):
        lookup(opened)
    assert "no such secret_id: ***" in caught.value.message
    assert "of-the-role" not in caught.value.hint
