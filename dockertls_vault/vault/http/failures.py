"""A request that got no answer: what that means, in words, and whether it may have arrived."""

from __future__ import annotations

import http.client
import re
import socket
import ssl
from typing import TYPE_CHECKING

import urllib3.exceptions

from dockertls_vault.errors import (
    DockerTLSError,
    InvalidSetting,
    NotVault,
    UnknownHost,
    VaultUnreachable,
)

from .proxies import proxy_for
from .transport import TooLongError
from .unconfigured import no_address

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dockertls_vault.settings.address import Address
    from dockertls_vault.settings.schema import Settings

# What OpenSSL says of a certificate (X509_V_ERR_*).
_NOT_YET_VALID = 9
_EXPIRED = 10
_OTHER_NAME = {62, 64}  # a name, an IP address
# http.client's words for what a proxy answers to CONNECT.
_REFUSED_TUNNEL = re.compile(r"^Tunnel connection failed: (?P<status>.+)$")


def unreachable(address: Address, error: BaseException, settings: Settings) -> DockerTLSError:
    """Return what it means that a request got no answer."""
    found = tuple(causes(error))
    if isinstance(error, urllib3.exceptions.ProxyError):
        return _proxy_failed(address, error, settings)
    for cause in found:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return _not_trusted(address, cause, settings)
        if isinstance(cause, ssl.SSLError) and not isinstance(cause, ssl.SSLEOFError):
            return _tls_failed(address, cause, settings)
        if isinstance(cause, TooLongError):
            return NotVault(f"the response of {address} is too large")
        if isinstance(cause, socket.gaierror) and cause.errno == socket.EAI_NONAME:
            return UnknownHost(f"the name in {address} does not exist: {cause.strerror}")
        if isinstance(cause, socket.gaierror):
            return VaultUnreachable(f"{address} {reason(error)}", hint=UnknownHost.default_hint)
    if "addresses" not in settings.origins:
        return no_address(settings, address, reason(error))
    if proxy := _proxy(address, settings):
        return VaultUnreachable(
            f"{address}, through the proxy {proxy}, {reason(error)}",
            hint="check both addresses, or bypass the proxy with NO_PROXY",
        )
    return VaultUnreachable(f"{address} {reason(error)}")


def astray(address: Address, settings: Settings) -> DockerTLSError:
    """Return what it means that Vault does not answer below the path of its address."""
    return InvalidSetting(
        f"{settings.origins['addresses']}: Vault does not answer below the path {address.path!r} "
        f"of {address}",
        hint=f"give the address without the path: {address.root}; only a proxy in front of Vault "
        "needs one",
    )


def reason(error: BaseException) -> str:
    """Return what happened to a connection, to be read after the name of the server."""
    found = tuple(causes(error))
    for cause in found:
        if isinstance(cause, socket.gaierror):
            return f"has a name that cannot be resolved: {cause.strerror}"
        if isinstance(cause, ConnectionRefusedError):
            return "refuses connections"
    if any(isinstance(cause, TimeoutError) or "Timeout" in type(cause).__name__ for cause in found):
        return "timed out"
    if any(
        isinstance(cause, ConnectionError | http.client.HTTPException | ssl.SSLEOFError)
        for cause in found
    ):
        return "closed the connection unexpectedly"
    words = next(
        (cause.strerror for cause in found if isinstance(cause, OSError) and cause.strerror), None
    )
    return f"cannot be reached: {words or type(found[-1]).__name__}"


def _proxy(address: Address, settings: Settings) -> str | None:
    """Return the proxy for ``address``, without the credentials that may be in it."""
    proxy = proxy_for(address, settings)
    return None if proxy is None else str(proxy.address)


def _proxy_failed(
    address: Address, error: urllib3.exceptions.ProxyError, settings: Settings
) -> DockerTLSError:
    name = _proxy(address, settings)
    refusals = (_REFUSED_TUNNEL.search(str(cause)) for cause in causes(error))
    refusal = next((found["status"] for found in refusals if found), None)
    if refusal is not None:
        return VaultUnreachable(
            f"the proxy {name} refuses to connect to {address}: {refusal}",
            hint="check its credentials and rules, or bypass it with NO_PROXY",
        )
    return VaultUnreachable(
        f"the proxy {name} on the way to {address} {reason(error)}",
        hint="check the proxy's address, or bypass it with NO_PROXY",
    )


def _not_trusted(
    address: Address, error: ssl.SSLCertVerificationError, settings: Settings
) -> DockerTLSError:
    known = next(
        (
            settings.origins[name]
            for name in ("ca_cert", "ca_cert_bytes", "ca_path")
            if name in settings.origins
        ),
        "the system's CAs",
    )
    reason = error.verify_message or str(error)
    if error.verify_code in _OTHER_NAME:
        hint = (
            "use one of the certificate's SANs in the address or in VAULT_TLS_SERVER_NAME; the "
            "common name is ignored"
        )
    elif error.verify_code == _EXPIRED:
        hint = "renew the certificate of Vault's listener, or check this machine's clock"
    elif error.verify_code == _NOT_YET_VALID:
        hint = "check this machine's clock; the certificate of Vault's listener is not yet valid"
    else:
        hint = f"set VAULT_CACERT to the file with the CA of Vault's listener (now: {known})"
    return VaultUnreachable(f"the certificate of {address} is not trusted: {reason}", hint=hint)


def _tls_failed(address: Address, error: ssl.SSLError, settings: Settings) -> DockerTLSError:
    reason = (error.reason or str(error)).replace("_", " ").lower()
    if "wrong version number" in reason or "record layer" in reason or "http request" in reason:
        guess = f"is it http://{address.authority}?"
        if "addresses" not in settings.origins:
            return no_address(settings, address, "does not speak TLS", guess=guess)
        return VaultUnreachable(
            f"{address} does not speak TLS", hint=f"{guess} only loopback should be"
        )
    if (
        "certificate required" in reason
        or "handshake failure" in reason
        or "bad certificate" in reason
    ):
        return VaultUnreachable(
            f"{address} requires a client certificate: {reason}",
            hint="set VAULT_CLIENT_CERT and VAULT_CLIENT_KEY",
        )
    return VaultUnreachable(f"TLS with {address} failed: {reason}")


def causes(error: BaseException) -> Iterator[BaseException]:
    """Return the error and what lies under it: urllib3 wraps it in several ways."""
    seen: list[BaseException] = []
    pending: list[object] = [error]
    while pending:
        found = pending.pop(0)
        if isinstance(found, BaseException) and found not in seen:
            seen.append(found)
            pending += [
                found.__cause__,
                found.__context__,
                getattr(found, "reason", None),
                *found.args,
            ]
    yield from seen


def may_have_been_sent(error: urllib3.exceptions.HTTPError) -> bool:
    """Tell whether the request was on its way when it failed; if in doubt, it was."""
    return not (
        lasts(error)
        or isinstance(error, urllib3.exceptions.ProxyError)
        or any(
            isinstance(
                cause,
                urllib3.exceptions.ConnectTimeoutError | urllib3.exceptions.NewConnectionError,
            )
            for cause in causes(error)
        )
    )


def lasts(error: urllib3.exceptions.HTTPError) -> bool:
    """Tell whether trying again is of no use: a certificate, a name, an address with a mistake.

    Or an answer that is too large to be Vault's. TLS that breaks off in the middle is what a node
    does that goes down.
    """
    if isinstance(error, ValueError):
        return True
    return any(
        isinstance(cause, TooLongError)
        or (isinstance(cause, ssl.SSLError) and not isinstance(cause, ssl.SSLEOFError))
        or (isinstance(cause, socket.gaierror) and cause.errno == socket.EAI_NONAME)
        for cause in causes(error)
    )


def is_refused(error: urllib3.exceptions.HTTPError) -> bool:
    """Tell whether nothing listens there, if it was not a proxy that could not be reached.

    Of a Unix socket there may be no file, or none that can be (its path has 107 bytes at most).
    """
    nobody = (ConnectionRefusedError, FileNotFoundError, NotADirectoryError)
    return not isinstance(error, urllib3.exceptions.ProxyError) and any(
        isinstance(cause, nobody) or str(cause) == "AF_UNIX path too long"
        for cause in causes(error)
    )
