"""Vault's message for an unknown token."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .exchange import refusal

if TYPE_CHECKING:
    from .exchange import Answer, Forward, Request

_WORDS = "2 errors occurred:\n\t* permission denied\n\t* invalid token\n\n"


def say_invalid_token(request: Request, forward: Forward) -> Answer:
    """Add ``invalid token`` where OpenBao only says ``permission denied``.

    A denial by policy is ``1 error occurred: …`` on both.
    """
    answer = forward(request)
    refused = answer.status == 403 and answer.json.get("errors") == ["permission denied"]
    return refusal(403, _WORDS) if refused and request.headers.get("X-Vault-Token") else answer
