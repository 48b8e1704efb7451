"""One request to one node: connection settings, one deadline, and what came back."""

from __future__ import annotations

import json
import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import requests
import urllib3.exceptions
from requests.adapters import HTTPAdapter

from dockertls_vault.errors import InvalidSetting

from . import deadline

if TYPE_CHECKING:
    from collections.abc import Mapping

    from urllib3 import PoolManager, ProxyManager

    from dockertls_vault.settings import Settings

# A certificate with its chain has some ten thousand bytes; what is longer is not Vault.
LONGEST_BODY = 8 * 1024 * 1024
_CHUNK = 64 * 1024
# Seconds until a connection is there, the handshake of TLS included.
_CONNECTING = 5.0


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

    @property
    def is_vaults(self) -> bool:
        """Whether Vault may have sent this: its failures have ``errors``, if an empty list."""
        if self.body is None:
            return self.empty and self.status < 400
        return self.status < 400 or "errors" in self.body or "request_id" in self.body


class Transport:
    """An HTTP session with the connection settings of Vault, and nothing read behind our back."""

    def __init__(self, settings: Settings) -> None:
        self._session = requests.Session()
        self._session.trust_env = False
        if settings.proxy is not None:
            self._session.proxies = {"http": settings.proxy, "https": settings.proxy}
        self._session.mount("http://", _Adapter())
        tls = {
            "ssl_context": _context(settings),
            "server_hostname": settings.tls_server_name,
        }
        self._session.mount("https://", _Adapter(**tls))

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
        with self._session.request(
            method,
            url,
            headers=dict(headers),
            json=body,
            params=params,
            timeout=(min(timeout, _CONNECTING), timeout),
            allow_redirects=False,
            stream=True,
        ) as response:
            raw = _read(response)
            return Answer(response.status_code, response.headers, _parse(raw), empty=not raw)

    def close(self) -> None:
        self._session.close()


class _Adapter(HTTPAdapter):
    """Makes every connection with these options, instead of what requests finds for itself."""

    def __init__(self, **options: Any) -> None:
        self._options = options
        super().__init__()

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **{**kwargs, **self._options})
        manager: PoolManager = self.poolmanager
        deadline.bound(manager)

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> ProxyManager:
        manager: ProxyManager = super().proxy_manager_for(proxy, **{**kwargs, **self._options})
        deadline.bound(manager)
        return manager

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
    context = ssl.create_default_context(cadata=_cas(settings))
    if settings.client_cert is not None:
        try:
            # Without a password OpenSSL would ask for that of an encrypted key.
            context.load_cert_chain(settings.client_cert, settings.client_key, password="")
        except OSError as error:
            raise InvalidSetting(
                f"{settings.origins['client_cert']}: the certificate or its key cannot be read: "
                f"{error}"
            ) from None
    if settings.skip_verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        # The session has said so already.
        urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
    return context


def _cas(settings: Settings) -> str | None:
    """Return the CAs that were given, PEM: a file wins over a text, a text over a directory.

    OpenSSL wants the files of a directory named by hashes, Vault takes them as they are.
    """
    if settings.ca_cert is not None:
        name, files = "ca_cert", [settings.ca_cert]
    elif settings.ca_cert_bytes is not None:
        return _checked_cas(settings.ca_cert_bytes, settings.origins["ca_cert_bytes"])
    elif settings.ca_path is not None:
        files = sorted(file for file in settings.ca_path.rglob("*") if file.is_file())
        name = "ca_path"
    else:
        return None
    origin = settings.origins[name]
    try:
        text = "\n".join(file.read_text(encoding="utf-8") for file in files)
    except (OSError, ValueError) as error:
        raise InvalidSetting(f"{origin}: no CA certificates can be read there: {error}") from None
    return _checked_cas(text, origin)


def _checked_cas(text: str, origin: str) -> str:
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=text)
    except (ValueError, ssl.SSLError):
        raise InvalidSetting(f"{origin}: there are no CA certificates in PEM") from None
    return text


def _read(response: requests.Response) -> bytes:
    """Read the body, unless it is too long to be one of Vault's."""
    raw = bytearray()
    try:
        while piece := response.raw.read1(_CHUNK, decode_content=True):
            raw += piece
            if len(raw) > LONGEST_BODY:
                raise TooLongError
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
