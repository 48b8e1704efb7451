"""Lease count quotas of Enterprise: their 429 lasts until a lease is revoked."""

from __future__ import annotations

import re
import threading
from typing import TYPE_CHECKING

from .exchange import WRITES, Answer, one_error, refusal

if TYPE_CHECKING:
    from .exchange import Forward, Request

_QUOTA = re.compile(r"sys/quotas/lease-count/[^/]+")
_REVOKE = "auth/token/revoke-self"


class LeaseCountQuotas:
    """Counts the tokens of logins below a path, and refuses those beyond the quota."""

    def __init__(self) -> None:
        self._most: dict[str, tuple[str, int]] = {}  # by name: the path, and so many leases
        self._held: dict[str, str] = {}  # by token: the path that it came from
        self._lock = threading.Lock()

    def __call__(self, request: Request, forward: Forward) -> Answer:
        with self._lock:
            if _QUOTA.fullmatch(request.path) and request.method in WRITES:
                return self._set(request)
            if request.method in WRITES and self._is_exceeded(request.path):
                words = f'request path "{request.path}": lease count quota exceeded'
                return refusal(429, one_error(words))
        answer = forward(request)
        with self._lock:
            self._count(request, answer)
        return answer

    def _set(self, request: Request) -> Answer:
        self._most.pop(request.path, None)
        if request.method != "DELETE":
            asked = request.json
            self._most[request.path] = (asked["path"].strip("/"), int(asked["max_leases"]))
        return Answer(204)

    def _is_exceeded(self, path: str) -> bool:
        return "/login" in path and any(
            path.startswith(f"{limited}/")
            and sum(held.startswith(f"{limited}/") for held in self._held.values()) >= most
            for limited, most in self._most.values()
        )

    def _count(self, request: Request, answer: Answer) -> None:
        auth = answer.json.get("auth") or {}
        if auth.get("token_type") == "service":
            self._held[auth["client_token"]] = request.path
        if request.path == _REVOKE and answer.is_success:
            self._held.pop(request.headers.get("X-Vault-Token", ""), None)
