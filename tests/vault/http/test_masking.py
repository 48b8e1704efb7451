"""No secret that we sent is in what is made of a server's words."""

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


@pytest.mark.parametrize("quoted", [SECRET, 's3cret-\\"word\\"'], ids=["as it is", "escaped"])
@pytest.mark.parametrize("field", ["secret_id", "jwt", "password", "token", None])
def test_a_secret_of_the_request(field: str | None, quoted: str) -> None:
    """In the errors, the warnings and the text; nothing else is changed."""
    headers = {} if field else {"X-Vault-Token": SECRET}
    call = Call("POST", "auth/x/login", headers, {field: SECRET} if field else None)
    words = f"what is {quoted} to us?"
    body = {"errors": [words], "warnings": [words, 5], "data": {"kept": SECRET}}
    found = mask(Answer(400, {}, body, empty=False, text=words), call)
    masked = "what is *** to us?"
    assert found.text == masked
    assert found.body == {"errors": [masked], "warnings": [masked, "5"], "data": {"kept": SECRET}}


def test_what_is_too_short_is_left() -> None:
    """A password of one letter, masked in each word, could be read from the masks."""
    answer = Answer(400, {}, {"errors": ["permission denied"]}, empty=False)
    assert mask(answer, Call("POST", "auth/x/login/alice", {}, {"password": "e"})) == answer


@pytest.mark.parametrize("status", ["400 No", "403 No", "500 No", "503 No"])
def test_a_server_that_quotes(status: str) -> None:
    """It is so on the way to the user, whatever kind of error it becomes."""
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
