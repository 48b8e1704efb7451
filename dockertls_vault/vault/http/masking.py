"""Secrets in the server's own words, which end up on a screen or in a log; pure.

A server that quotes what it refuses may quote a password. What was sent as a secret is masked
where the answer comes in, before anything is made of its words.
"""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dockertls_vault.vault.answers.answer import Answer

    from .call import Call

_FIELDS = ("secret_id", "jwt", "password", "token")
_MASK = "***"
# Characters. In the place of what is shorter, the masks themselves would tell it.
_SHORTEST = 4


def mask(answer: Answer, call: Call) -> Answer:
    """Return the answer with no secret of ``call`` in its errors, its warnings and its text."""
    secrets = _secrets(call)
    if not secrets:
        return answer
    body = answer.body
    if body is not None:
        spoken = {
            name: [_masked(word, secrets) for word in body[name]]
            for name in ("errors", "warnings")
            if isinstance(body.get(name), list)
        }
        body = {**body, **spoken}
    return dataclasses.replace(answer, body=body, text=_masked(answer.text, secrets))


def _secrets(call: Call) -> list[str]:
    """Return the secrets as they are and as a server quotes them, the longest first."""
    sent = call.body if isinstance(call.body, dict) else {}
    found = [call.headers.get("X-Vault-Token"), *(sent.get(name) for name in _FIELDS)]
    secrets = {text for text in found if isinstance(text, str) and len(text) >= _SHORTEST}
    return sorted({*secrets, *(json.dumps(text)[1:-1] for text in secrets)}, key=len, reverse=True)


def _masked(words: str, secrets: list[str]) -> str:
    for secret in secrets:
        words = str(words).replace(secret, _MASK)
    return words
