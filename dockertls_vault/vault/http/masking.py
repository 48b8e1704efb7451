"""Mask secrets in a server's messages, which end up on a terminal or in a log; pure.

A server that quotes what it rejects may quote a password. Secrets that were sent in the request are
masked as soon as the response arrives.
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
# Characters. Masking a shorter secret would reveal it by where the masks appear.
_SHORTEST = 4


def mask(answer: Answer, call: Call) -> Answer:
    """Return the response with the secrets of ``call`` masked in errors, warnings and text."""
    secrets = _secrets(call)
    if not secrets:
        return answer
    body = answer.body
    if body is not None:
        messages = {
            name: [_masked(message, secrets) for message in body[name]]
            for name in ("errors", "warnings")
            if isinstance(body.get(name), list)
        }
        body = {**body, **messages}
    return dataclasses.replace(answer, body=body, text=_masked(answer.text, secrets))


def _secrets(call: Call) -> list[str]:
    """Return the secrets, also as escaped in JSON, the longest first."""
    sent = call.body if isinstance(call.body, dict) else {}
    found = [call.headers.get("X-Vault-Token"), *(sent.get(name) for name in _FIELDS)]
    secrets = {text for text in found if isinstance(text, str) and len(text) >= _SHORTEST}
    return sorted({*secrets, *(json.dumps(text)[1:-1] for text in secrets)}, key=len, reverse=True)


def _masked(message: str, secrets: list[str]) -> str:
    for secret in secrets:
        message = str(message).replace(secret, _MASK)
    return message
