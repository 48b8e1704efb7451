"""What Vault says of itself in sys/health."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .exchange import Answer, Forward, Request


@dataclass(frozen=True)
class Health:
    """Give ``version``, and the field that OpenBao has not; an empty version is redacted."""

    enterprise: bool
    version: str = "1.21.1"

    def __call__(self, request: Request, forward: Forward) -> Answer:
        answer = forward(request)
        if request.path != "sys/health" or not answer.json:
            return answer
        told = {"version": self.version, "enterprise": self.enterprise}
        return replace(answer, body=json.dumps({**answer.json, **told}).encode())
