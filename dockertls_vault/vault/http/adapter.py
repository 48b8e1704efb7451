"""Requests to Vault by method and path: adds our headers, returns the JSON of the response."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .call import Call

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from .cluster import Cluster


class Adapter:
    """Sends requests to the cluster, without a token unless a header has one.

    Paths start with ``/v1/``. Each method returns the JSON of a successful response, None if it has
    no body, and raises DockerTLSError. ``date`` is the time of the last response by Vault's clock,
    None without a Date header.
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
