"""Failures to get a response: the error for each, and whether the request may have arrived."""

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
from dockertls_vault.vault.unconfigured import no_address

from .pools import HandshakeError
from .proxies import proxy_for
from .transport import TooLongError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dockertls_vault.settings.address import Address
    from dockertls_vault.settings.schema import Settings

# OpenSSL's verification errors (X509_V_ERR_*).
_NOT_YET_VALID = 9
_EXPIRED = 10
_OTHER_NAME = {62, 64}  # a name, an IP address
# http.client's message for a proxy's response to CONNECT.
_REFUSED_TUNNEL = re.compile(r"^Tunnel connection failed: (?P<status>.+)$")


def unreachable(address: Address, error: BaseException, settings: Settings) -> DockerTLSError:
    """Return the error for a request to ``address`` that got no response."""
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
            return UnknownHost(f"the host in {address} does not exist: {cause.strerror}")
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


def wrong_path(address: Address, settings: Settings) -> DockerTLSError:
    """Return the error for an address at whose path there is no Vault."""
    return InvalidSetting(
        f"{settings.origins['addresses']}: no Vault at the path {address.path!r} of {address}",
        hint=f"use the address without the path: {address.root}; only a proxy in front of Vault "
        "needs one",
    )


def reason(error: BaseException) -> str:
    """Return what happened to a connection, as a predicate whose subject is the server."""
    found = tuple(causes(error))
    for cause in found:
        if isinstance(cause, socket.gaierror):
            return f"cannot be resolved: {cause.strerror}"
        if isinstance(cause, ConnectionRefusedError):
            return "refused the connection"
    if any(isinstance(cause, TimeoutError) or "Timeout" in type(cause).__name__ for cause in found):
        return "timed out"
    if any(
        isinstance(cause, ConnectionError | http.client.HTTPException | ssl.SSLEOFError)
        for cause in found
    ):
        return "closed the connection unexpectedly"
    message = next(
        (cause.strerror for cause in found if isinstance(cause, OSError) and cause.strerror), None
    )
    return f"cannot be reached: {message or type(found[-1]).__name__}"


def _proxy(address: Address, settings: Settings) -> str | None:
    """Return the proxy for ``address``, without its credentials."""
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
            f"the proxy {name} refused to connect to {address}: {refusal}",
            hint="check its credentials and rules, or bypass it with NO_PROXY",
        )
    return VaultUnreachable(
        f"the proxy {name} for {address} {reason(error)}",
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
            f"{address} does not speak TLS", hint=f"{guess} use http only for loopback"
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
    """Yield the error and all errors that caused it: urllib3 wraps them in several ways."""
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
    """Tell whether the request may have been sent before it failed; true if that is unclear."""
    return not (
        isinstance(error, ValueError | urllib3.exceptions.ProxyError)
        or any(map(_precedes_the_request, causes(error)))
    )


def _precedes_the_request(cause: BaseException) -> bool:
    """Tell whether there was no connection yet, or the server ended it with a TLS alert.

    With TLS 1.3 the alert of a server that requires a client certificate arrives afterwards.
    """
    return isinstance(
        cause,
        urllib3.exceptions.ConnectTimeoutError
        | urllib3.exceptions.NewConnectionError
        | HandshakeError,
    ) or (isinstance(cause, ssl.SSLError) and "ALERT" in str(cause))


def is_permanent(error: urllib3.exceptions.HTTPError) -> bool:
    """Tell whether a retry is pointless: a TLS failure, an unknown host, an invalid address.

    Also a response that is too large for Vault's. But TLS that ends in the middle is what a node
    does when it shuts down.
    """
    if isinstance(error, ValueError):
        return True
    return any(
        isinstance(cause, TooLongError)
        or (isinstance(cause, ssl.SSLError) and not isinstance(cause, ssl.SSLEOFError))
        or (isinstance(cause, socket.gaierror) and cause.errno == socket.EAI_NONAME)
        for cause in causes(error)
    )


def nothing_listens(error: urllib3.exceptions.HTTPError) -> bool:
    """Tell whether no server listens at the address; false if the proxy could not be reached.

    For a Unix socket, the file does not exist, or its path is longer than 107 bytes.
    """
    absent = (ConnectionRefusedError, FileNotFoundError, NotADirectoryError)
    return not isinstance(error, urllib3.exceptions.ProxyError) and any(
        isinstance(cause, absent) or str(cause) == "AF_UNIX path too long"
        for cause in causes(error)
    )
