"""What went wrong between here and Vault, in words, with what to do about it."""

from __future__ import annotations

import socket
import ssl
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from dockertls_vault.errors import (
    DockerTLSError,
    NoLeader,
    NotVault,
    PolicyDenied,
    RateLimited,
    TokenRefused,
    UnknownMount,
    UnknownRole,
    VaultError,
    VaultSealed,
    VaultUnreachable,
)

from .transport import TooLongError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dockertls_vault.config import Settings

    from .transport import Answer

_CAPABILITIES = {"GET": "read", "LIST": "list", "DELETE": "delete", "PATCH": "patch"}


def unreachable(address: str, error: BaseException, settings: Settings) -> DockerTLSError:
    """Return what it means that a request got no answer."""
    found = tuple(causes(error))
    for cause in found:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return _not_trusted(address, cause, settings)
        if isinstance(cause, socket.gaierror):
            return VaultUnreachable(f"the name in {address} cannot be resolved: {cause.strerror}")
        if isinstance(cause, ConnectionRefusedError):
            return VaultUnreachable(f"{address} refuses connections")
        if isinstance(cause, ssl.SSLError):
            return _tls_failed(address, cause)
        if isinstance(cause, TooLongError):
            return NotVault(f"the answer of {address} has no end")
    if any(
        "timed out" in str(cause).lower() or "Timeout" in type(cause).__name__ for cause in found
    ):
        return VaultUnreachable(f"{address} does not answer in time")
    if any(isinstance(cause, ConnectionError) for cause in found):
        return VaultUnreachable(f"{address} broke the connection off")
    words = next(
        (cause.strerror for cause in found if isinstance(cause, OSError) and cause.strerror), None
    )
    return VaultUnreachable(f"{address} cannot be reached: {words or type(found[-1]).__name__}")


def refused(method: str, path: str, address: str, answer: Answer) -> DockerTLSError:
    """Return what an answer that is not a success means; ``path`` is without ``/v1/``."""
    if answer.body is None and not answer.empty:
        return NotVault(f"{address} answered with something that is not Vault's ({answer.status})")
    words = "; ".join(" ".join(error.split()) for error in answer.errors) or f"HTTP {answer.status}"
    if answer.status == 429:
        return RateLimited(f"Vault has too many requests: {words}")
    if answer.status == 503 and "sealed" in words:
        return VaultSealed(f"Vault at {address} is sealed")
    if answer.status in {500, 502, 503, 504} and ("active" in words or answer.status != 500):
        return NoLeader(f"the cluster at {address} has no leader: {words}")
    if answer.status == 403:
        return _denied(method, path, words)
    if answer.status == 404 and "no handler for route" in words:
        return UnknownMount(f"nothing is mounted in Vault at {path.partition('/')[0]!r}")
    if answer.status == 400 and "unknown role" in words:
        return UnknownRole(f"no role {path.rpartition('/')[2]!r} in {path.partition('/')[0]!r}")
    return VaultError(f"Vault refused {path}: {words}", status=answer.status, errors=answer.errors)


def _denied(method: str, path: str, words: str) -> DockerTLSError:
    if "error occurred" not in words:
        return TokenRefused(f"Vault does not accept the token: {words}")
    capability = _CAPABILITIES.get(method, "update")
    return PolicyDenied(
        f"the token's policies do not allow {capability!r} on {path!r}",
        hint=f'the policy needs: path "{path}" {{ capabilities = ["{capability}"] }}',
    )


def _not_trusted(
    address: str, error: ssl.SSLCertVerificationError, settings: Settings
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
    if "hostname" in reason.lower() or "ip address" in reason.lower():
        hint = "use a name of its certificate in the address, or VAULT_TLS_SERVER_NAME"
    elif "expired" in reason:
        hint = "renew the certificate of Vault's listener"
    else:
        hint = f"set VAULT_CACERT to the file with the CA of Vault's listener (now: {known})"
    return VaultUnreachable(f"the certificate of {address} is not trusted: {reason}", hint=hint)


def _tls_failed(address: str, error: ssl.SSLError) -> DockerTLSError:
    reason = (error.reason or str(error)).replace("_", " ").lower()
    if "wrong version number" in reason or "record layer" in reason or "http request" in reason:
        return VaultUnreachable(
            f"{address} does not speak TLS",
            hint=f"is it http://{urlsplit(address).netloc}? only loopback should be",
        )
    if (
        "certificate required" in reason
        or "handshake failure" in reason
        or "bad certificate" in reason
    ):
        return VaultUnreachable(
            f"{address} wants a client certificate: {reason}",
            hint="set VAULT_CLIENT_CERT and VAULT_CLIENT_KEY",
        )
    return VaultUnreachable(f"TLS with {address} failed: {reason}")


def causes(error: BaseException) -> Iterator[BaseException]:
    """Return the error and what lies under it: requests and urllib3 wrap it in several ways."""
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
