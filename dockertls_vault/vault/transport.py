"""One request to one node: connection settings, one deadline, and what came back."""

from __future__ import annotations

import json
import ssl
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import requests
import urllib3.exceptions
from requests.adapters import HTTPAdapter

from dockertls_vault.errors import InvalidSetting

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dockertls_vault.config import Settings

# A certificate with its chain has some ten thousand bytes; what is longer is not Vault.
LONGEST_BODY = 8 * 1024 * 1024
_CHUNK = 64 * 1024


class TooLongError(requests.exceptions.RequestException):
    """A body that has no end."""


@dataclass(frozen=True)
class Answer:
    """What a node answered; ``body`` is None where it is not JSON."""

    status: int
    headers: Mapping[str, str]
    body: dict[str, Any] | None
    empty: bool

    @property
    def errors(self) -> tuple[str, ...]:
        """Vault's own words about what is wrong."""
        found = (self.body or {}).get("errors")
        return tuple(map(str, found)) if isinstance(found, list) else ()


class Transport:
    """An HTTP session with the connection settings of Vault, and nothing read behind our back."""

    def __init__(self, settings: Settings) -> None:
        self._session = requests.Session()
        self._session.trust_env = False
        if settings.proxy is not None:
            self._session.proxies = {"http": settings.proxy, "https": settings.proxy}
        self._session.mount("https://", _TLSAdapter(_context(settings), settings.tls_server_name))

    def send(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        body: object,
        params: Mapping[str, str] | None,
        timeout: float,
    ) -> Answer:
        """Send a request and read the whole answer within ``timeout`` seconds.

        Raises the exceptions of requests; a redirect is an answer like any other.
        """
        deadline = time.monotonic() + timeout
        with self._session.request(
            method,
            url,
            headers=dict(headers),
            json=body,
            params=params,
            timeout=timeout,
            allow_redirects=False,
            stream=True,
        ) as response:
            raw = _read(response, deadline)
            return Answer(response.status_code, response.headers, _parse(raw), empty=not raw)

    def close(self) -> None:
        self._session.close()


class _TLSAdapter(HTTPAdapter):
    """Makes every TLS connection with one context, instead of what requests finds for itself."""

    def __init__(self, context: ssl.SSLContext, server_name: str | None) -> None:
        self._options = {"ssl_context": context, "server_hostname": server_name}
        super().__init__()

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **{**kwargs, **self._options})

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        return super().proxy_manager_for(proxy, **{**kwargs, **self._options})

    def cert_verify(self, conn: Any, url: str, verify: Any, cert: Any) -> None:
        """Leave the context as it is: requests would add its own bundle of CAs."""

    def build_connection_pool_key_attributes(
        self, request: Any, verify: Any, cert: Any = None
    ) -> Any:
        """Give a pool nothing beyond the context, for the same reason."""
        host, _ = super().build_connection_pool_key_attributes(request, verify, cert)
        return host, {}


def _context(settings: Settings) -> ssl.SSLContext:
    """Return what Vault's own command line would use: the CAs given, or the system's."""
    try:
        context = ssl.create_default_context(
            cafile=None if settings.ca_cert is None else str(settings.ca_cert),
            capath=None
            if settings.ca_cert is not None
            or settings.ca_cert_bytes is not None
            or settings.ca_path is None
            else str(settings.ca_path),
            cadata=None if settings.ca_cert is not None else settings.ca_cert_bytes,
        )
    except (OSError, ValueError) as error:
        names = ("ca_cert", "ca_cert_bytes", "ca_path")
        origin = next(settings.origins[name] for name in names if name in settings.origins)
        raise InvalidSetting(f"{origin}: no CA certificates can be read there: {error}") from None
    if settings.client_cert is not None:
        try:
            context.load_cert_chain(settings.client_cert, settings.client_key)
        except OSError as error:
            raise InvalidSetting(
                f"{settings.origins['client_cert']}: the certificate or its key cannot be read: "
                f"{error}"
            ) from None
    if settings.skip_verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _read(response: requests.Response, deadline: float) -> bytes:
    """Read the body, which may not outlast the deadline however slowly it drips."""
    raw = bytearray()
    try:
        while piece := response.raw.read1(_CHUNK, decode_content=True):
            raw += piece
            if len(raw) > LONGEST_BODY:
                raise TooLongError
            if time.monotonic() > deadline:
                raise requests.exceptions.ReadTimeout
    except urllib3.exceptions.ReadTimeoutError as error:
        raise requests.exceptions.ReadTimeout(error) from None
    except urllib3.exceptions.HTTPError as error:
        raise requests.exceptions.ConnectionError(error) from None
    return bytes(raw)


def _parse(raw: bytes) -> dict[str, Any] | None:
    try:
        body = json.loads(raw)
    except ValueError:
        return None
    return body if isinstance(body, dict) else None
