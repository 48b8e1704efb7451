"""Send one request to one node, with one deadline, and return its response."""

from __future__ import annotations

import base64
import dataclasses
import json
import threading
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, unquote_to_bytes, urlencode

from urllib3 import PoolManager, ProxyManager
from urllib3.exceptions import HTTPError
from urllib3.util import Timeout

from dockertls_vault.vault.answers.answer import Answer

from . import pools, tls
from .proxies import proxy_for

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterator, Mapping

    from urllib3 import BaseHTTPResponse

    from dockertls_vault.settings.address import Proxy, Target
    from dockertls_vault.settings.schema import Settings

# Bytes. A certificate with its chain takes about 10 kB; a much larger response is not Vault's.
LONGEST_BODY = 8 * 1024 * 1024
_CHUNK = 64 * 1024
# Bytes; enough for the title of a web server's error page.
_LONGEST_TEXT = 1024
# Seconds to connect, including DNS and the TLS handshake.
_CONNECTING = 5.0


class TooLongError(HTTPError):
    """A response larger than any of Vault's."""


class MalformedError(HTTPError):
    """A request that cannot be sent, or a response that cannot be parsed."""


@contextmanager
def _quoting_nothing() -> Iterator[None]:
    """Raise MalformedError instead of an exception that may quote a header, and so the token.

    http.client quotes a malformed header.
    """
    try:
        yield
    except HTTPError:
        raise
    except (ValueError, TypeError, OverflowError) as error:
        raise MalformedError(type(error).__name__) from None


class Transport:
    """Connections to Vault that only use our settings, not the environment; thread-safe."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._managers: dict[tuple[Proxy | None, bool], PoolManager] = {}
        self._unix = {
            address: pools.UnixPool(address.path)
            for address in settings.addresses
            if address.is_unix
        }
        if tls.is_configured(settings):
            _ = self._context  # report invalid TLS settings even if no address needs them

    @cached_property
    def _context(self) -> ssl.SSLContext:
        """The TLS context; created on demand, as reading the system's CAs outlasts a request."""
        return tls.context(self._settings)

    @_quoting_nothing()
    def send(
        self,
        method: str,
        target: Target,
        *,
        headers: Mapping[str, str],
        body: object,
        params: Mapping[str, str] | None,
        timeout: float,
    ) -> Answer:
        """Send a request and read the complete response within ``timeout`` seconds.

        LIST is sent as ``GET ?list=true``, as by Vault's command line, because proxies may reject
        the method. Does not follow redirects. Raises HTTPError if there is no response.
        """
        if method == "LIST":
            method, params = "GET", {**(params or {}), "list": "true"}
        pool, url = self._pool(_with(target, params or {}))
        with pool.request(
            method,
            url,
            # http.client encodes headers as Latin-1, Vault decodes UTF-8.
            headers={name: value.encode().decode("latin-1") for name, value in headers.items()},
            json=body,
            timeout=Timeout(total=timeout, connect=min(timeout, _CONNECTING)),
            retries=False,
            redirect=False,
            preload_content=False,
        ) as response:
            raw = _read(response)
            body = _parse(raw)
            text = raw[:_LONGEST_TEXT].decode(errors="replace") if body is None else ""
            return Answer(response.status, response.headers, body, empty=not raw, text=text)

    def close(self) -> None:
        for pool in self._unix.values():
            pool.close()
        for manager in self._managers.values():
            manager.clear()

    def _pool(self, target: Target) -> tuple[pools.UnixPool | PoolManager, str]:
        """Return the connection pool for ``target``, and the URL to request from it."""
        server = target.server
        if server.is_unix:
            return self._unix[server], str(target).removeprefix(server.root)
        proxy = proxy_for(server, self._settings)
        encrypted = "https" in {server.scheme, proxy.address.scheme if proxy else ""}
        kind = proxy, encrypted
        with self._lock:
            if kind not in self._managers:
                self._managers[kind] = self._manager(proxy, self._context if encrypted else None)
            return self._managers[kind], str(target)

    def _manager(self, proxy: Proxy | None, context: ssl.SSLContext | None) -> PoolManager:
        to_vault: dict[str, Any] = {
            "ssl_context": context,
            "server_hostname": self._settings.tls_server_name,
            "maxsize": pools.KEPT,
        }
        if proxy is None:
            manager = PoolManager(**to_vault)
        else:
            manager = ProxyManager(
                str(proxy.address),
                proxy_headers=_credentials(proxy),
                proxy_ssl_context=context,
                **to_vault,
            )
        pools.use_deadlines(manager)
        return manager


def _credentials(proxy: Proxy) -> dict[str, str] | None:
    """Return the header with the user and password for a proxy, encoded as Go does.

    urllib3's make_headers only supports Latin-1.
    """
    if proxy.credentials is None:
        return None
    encoded = base64.b64encode(unquote_to_bytes(proxy.credentials)).decode()
    return {"Proxy-Authorization": f"Basic {encoded}"}


def _with(target: Target, params: Mapping[str, str]) -> Target:
    """Return ``target`` with these query parameters, replacing those that a redirect has kept."""
    pairs = parse_qsl(target.query, keep_blank_values=True)
    kept = [pair for pair in pairs if pair[0] not in params]
    return dataclasses.replace(target, query=urlencode([*kept, *params.items()]))


def _read(response: BaseHTTPResponse) -> bytes:
    """Return the body; raises TooLongError if it is too large to be Vault's."""
    raw = bytearray()
    while piece := response.read1(_CHUNK, decode_content=True):
        raw += piece
        if len(raw) > LONGEST_BODY:
            raise TooLongError
    return bytes(raw)


def _no_constant(name: str) -> None:
    """Raise ValueError for NaN and Infinity, which Python's parser accepts as JSON."""
    raise ValueError(name)


def _parse(raw: bytes) -> dict[str, Any] | None:
    try:
        body = json.loads(raw, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        return None
    return body if isinstance(body, dict) else None
