"""Requests to Vault by their method and path: what goes out with each, and what comes back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .call import Call

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from .cluster import Cluster


class Adapter:
    """Asks the cluster, without a token unless a header has one; every fault is our own error.

    Paths begin with ``/v1/``. What returns is the JSON of a success, or None where it has no body;
    ``date`` is the time by Vault's clock when it answered last, None if it did not say.
    """

    def __init__(self, cluster: Cluster, namespace: str | None) -> None:
        self._cluster = cluster
        self._namespace = namespace
        self.date: datetime | None = None

    def get(self, path: str, **more: Any) -> Any:
        return self.request("GET", path, **more)

    def list(self, path: str, **more: Any) -> Any:
        return self.request("LIST", path, **more)

    def post(self, path: str, **more: Any) -> Any:
        return self.request("POST", path, **more)

    def request(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str] | None = None,
        json: object = None,
        params: Mapping[str, str] | None = None,
    ) -> Any:
        sent = {**(headers or {}), "X-Vault-Request": "true"}
        if self._namespace:
            sent.setdefault("X-Vault-Namespace", self._namespace)
        path = path.removeprefix("/v1/")
        answer = self._cluster.send(Call(method.upper(), path, sent, json, params))
        self.date = answer.date
        return answer.body
