"""One request to one node: connection settings, one deadline, and what came back."""

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

# A certificate with its chain has some ten thousand bytes; what is longer is not Vault.
LONGEST_BODY = 8 * 1024 * 1024
_CHUNK = 64 * 1024
# Bytes; a web server's page says in its title what is wrong.
_LONGEST_TEXT = 1024
# Seconds until a connection is there, DNS and the handshake of TLS included.
_CONNECTING = 5.0


class TooLongError(HTTPError):
    """A body that is larger than any of Vault's."""


class MalformedError(HTTPError):
    """What cannot be sent, or what was answered and cannot be read."""


@contextmanager
def _quoting_nothing() -> Iterator[None]:
    """Raise MalformedError instead of what quotes a header, as http.client does if it is malformed.

    The header may hold the token.
    """
    try:
        yield
    except HTTPError:
        raise
    except (ValueError, TypeError, OverflowError) as error:
        raise MalformedError(type(error).__name__) from None


class Transport:
    """Connections with the settings of Vault, and nothing read behind our back; for any thread."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._managers: dict[tuple[Proxy | None, bool], PoolManager] = {}
        self._unix = {
            address: pools.UnixPool(address.path)
            for address in settings.addresses
            if address.is_unix
        }
        if tls.is_given(settings):
            _ = self._context  # what is wrong with it is said whatever the address

    @cached_property
    def _context(self) -> ssl.SSLContext:
        """What TLS is spoken with; to read the system's CAs takes longer than a request."""
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
        """Send a request and read the whole answer within ``timeout`` seconds.

        LIST goes as ``GET ?list=true``, as Vault's own command line sends it: proxies know no
        such verb. Raises HTTPError; a redirect is an answer like any other.
        """
        if method == "LIST":
            method, params = "GET", {**(params or {}), "list": "true"}
        pool, url = self._pool(_with(target, params or {}))
        with pool.request(
            method,
            url,
            # http.client writes Latin-1, and Vault reads UTF-8.
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
        """Return the connections for ``target``, and what they call it."""
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
        pools.bound(manager)
        return manager


def _credentials(proxy: Proxy) -> dict[str, str] | None:
    """Return the header with the user and the password for a proxy, as Go sends them.

    urllib3's make_headers knows Latin-1 alone.
    """
    if proxy.credentials is None:
        return None
    encoded = base64.b64encode(unquote_to_bytes(proxy.credentials)).decode()
    return {"Proxy-Authorization": f"Basic {encoded}"}


def _with(target: Target, params: Mapping[str, str]) -> Target:
    """Return ``target`` with these parameters, once: that of a redirect has them already."""
    pairs = parse_qsl(target.query, keep_blank_values=True)
    kept = [pair for pair in pairs if pair[0] not in params]
    return dataclasses.replace(target, query=urlencode([*kept, *params.items()]))


def _read(response: BaseHTTPResponse) -> bytes:
    """Read the body, unless it is too long to be one of Vault's."""
    raw = bytearray()
    while piece := response.read1(_CHUNK, decode_content=True):
        raw += piece
        if len(raw) > LONGEST_BODY:
            raise TooLongError
    return bytes(raw)


def _no_constant(name: str) -> None:
    """Refuse NaN and infinities, which Python takes for JSON."""
    raise ValueError(name)


def _parse(raw: bytes) -> dict[str, Any] | None:
    try:
        body = json.loads(raw, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        return None
    return body if isinstance(body, dict) else None
