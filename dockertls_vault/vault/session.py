"""A session with Vault: hvac's client over our own cluster, and the token it works with."""

from __future__ import annotations

import random
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit

import hvac
import requests
from hvac.adapters import JSONAdapter

from dockertls_vault.errors import NotVault

from . import faults, retry
from .cluster import Call, Cluster
from .identity import Identity
from .retry import Verdict
from .transport import Transport

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from contextlib import AbstractContextManager
    from types import TracebackType

    from dockertls_vault.config import Settings

    from .transport import Answer


class ClusterAdapter(JSONAdapter):
    """hvac's way to send a request, over the cluster; every fault is one of our own errors."""

    def __init__(self, cluster: Cluster, identity: Identity | None, namespace: str | None) -> None:
        super().__init__(base_uri="", token="", session=requests.Session(), namespace=namespace)
        self._cluster = cluster
        self._identity = identity

    def request(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str] | None = None,
        raise_exception: bool = True,  # noqa: ARG002 - hvac's signature; a fault always raises
        **kwargs: Any,
    ) -> Any:
        """Return the JSON of a success, or an empty response; raises DockerTLSError."""

        def send() -> tuple[Call, Answer]:
            call = Call(
                method.upper(),
                url.lstrip("/").removeprefix("v1/"),
                self._headers(headers, kwargs.get("wrap_ttl")),
                kwargs.get("json"),
                kwargs.get("params"),
            )
            return call, self._cluster.send(call)

        call, answer = send()
        verdict = retry.classify(answer.status, answer.errors)
        if verdict is Verdict.TOKEN_REFUSED and self._identity and self._identity.renew():
            call, answer = send()
        if not 200 <= answer.status < 300:
            raise faults.refused(call.method, call.path, self._cluster.address, answer)
        if answer.body is not None:
            return answer.body
        if not answer.empty:
            raise NotVault(f"{self._cluster.address} answered with something that is not JSON")
        response = requests.Response()
        response.status_code = answer.status
        return response

    def _headers(self, extra: Mapping[str, str] | None, wrap_ttl: object) -> dict[str, str]:
        headers = {**(extra or {}), "X-Vault-Request": "true"}
        if self._identity is not None:
            headers["X-Vault-Token"] = self._identity.token()
        if self.namespace:
            headers["X-Vault-Namespace"] = self.namespace
        if wrap_ttl:
            headers["X-Vault-Wrap-TTL"] = str(wrap_ttl)
        return headers


class Session:
    """Vault as one command sees it; a context manager."""

    def __init__(self, settings: Settings, *, say: Callable[[str], None]) -> None:
        self.settings = settings
        self._transport = Transport(settings)
        self._cluster = Cluster(settings, self._transport, say=say, random=random.random)
        self._identity = Identity(settings)
        self.client = self._client(self._identity)
        self.anonymous = self._client(None)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._transport.close()

    def once(self) -> AbstractContextManager[None]:
        """Within it, a request that Vault may have acted on is not sent again."""
        return self._cluster.once()

    def _client(self, identity: Identity | None) -> hvac.Client:
        def adapter(**_options: object) -> ClusterAdapter:
            return ClusterAdapter(self._cluster, identity, self.settings.namespace)

        # An address and a token that are given keep hvac from the environment.
        return hvac.Client(
            url=self.settings.addresses[0],
            token="",
            verify=True,
            adapter=adapter,  # type: ignore[arg-type]  # hvac only calls it
        )


def open_session(settings: Settings, *, say: Callable[[str], None]) -> Session:
    """Open a session; a connection that others can read or forge is said aloud."""
    for address in settings.addresses:
        parts = urlsplit(address)
        if parts.scheme == "http" and not _is_loopback(parts.hostname or ""):
            say(f"the connection to {address} is not encrypted: anybody on the way sees the token")
    if settings.skip_verify:
        origin = settings.origins.get("skip_verify", "default")
        say(f"Vault's certificate is not checked ({origin}): anybody on the way can pose as Vault")
    return Session(settings, say=say)


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
