"""Vault's handling of X-Vault-Inconsistent, X-Vault-Index and X-Vault-Namespace."""

from __future__ import annotations

import base64
from dataclasses import replace
from typing import TYPE_CHECKING

from .exchange import WRITES, refusal

if TYPE_CHECKING:
    from .exchange import Answer, Forward, Request

_INCONSISTENT = "X-Vault-Inconsistent"
_INDEX = "X-Vault-Index"
_NAMESPACE = "X-Vault-Namespace"


def refuse_to_forward(request: Request, forward: Forward) -> Answer:
    """Act without ``allow_forwarding_via_header``, as Community always does."""
    if request.headers.get(_INCONSISTENT) == "forward-active-node":
        return refusal(400, f"forwarding via header {_INCONSISTENT} disabled in configuration")
    return forward(request)


def state_the_index(request: Request, forward: Forward) -> Answer:
    """Return the log index with every write, as Enterprise and HCP do."""
    answer = forward(request.without(_INDEX))
    if request.method not in WRITES or not answer.is_success:
        return answer
    index = base64.b64encode(b"v1:cluster:1:0:hmac").decode()
    return replace(answer, headers={**answer.headers, _INDEX: index})


def ignore_namespaces(request: Request, forward: Forward) -> Answer:
    """Silently serve the root namespace whatever was requested, as Community does."""
    return forward(request.without(_NAMESPACE))
