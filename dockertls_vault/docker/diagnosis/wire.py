"""Whether a daemon on this host presents the certificate on disk.

dockerd reads its files only at startup (moby#23936), so it may present an older one. No client
certificate is needed to see it, and none is sent.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from dockertls_vault.certificate.certificate import describe, load_certificates
from dockertls_vault.docker.endpoint import DEFAULT_PORT, Endpoint
from dockertls_vault.docker.handshake import probe
from dockertls_vault.errors import DockerUnavailable, VerificationError
from dockertls_vault.host import identity

from .report import Result
from .server_certificate import judge_name
from .successor import successor

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime, timedelta

    from cryptography.x509 import Certificate

    from dockertls_vault.certificate.certificate import Description
    from dockertls_vault.certificate.names import Names

_LOOPBACK = Endpoint("localhost", DEFAULT_PORT)


class Presented(StrEnum):
    """What a daemon presents: the certificate on disk, one that it replaced, or another one."""

    SAME = "same"
    REPLACED = "replaced"
    OTHER = "other"
    UNREACHABLE = "unreachable"
    NOT_ASKED = "not-asked"


@dataclass(frozen=True)
class Sighting:
    """What was seen at an endpoint: the certificate, and the IP address that presented it.

    Both are None if none was seen, for the ``reason``.
    """

    endpoint: Endpoint
    address: str | None = None
    certificate: Certificate | None = None
    reason: str | None = None


@dataclass(frozen=True)
class Wire:
    """What the daemon at ``endpoint`` (``tcp://h:2376``) presents, its ``certificate`` included.

    ``reason`` is why there is none. ``endpoint`` is None if no daemon was asked.
    """

    presented: Presented
    endpoint: str | None = None
    certificate: Description | None = None
    reason: str | None = None


NOT_ASKED = Wire(
    Presented.NOT_ASKED,
    reason="nothing tells where its daemon listens; set DOCKER_HOST",
)


def endpoint_of(
    certificate: Certificate, known: Endpoint | None, detect: Callable[[], Names]
) -> Endpoint | None:
    """Return where the daemon with this certificate listens, None if that is unknown.

    That is ``known``, if the certificate is for its host; else the default port of this host, if
    it is for one of the names that ``detect`` returns, or for the loopback.
    """
    if known is not None and _is_for(certificate, known):
        return known
    names = (name for find in (_loopback_names, detect) for name in find().all)
    if any(_is_for(certificate, Endpoint(name, DEFAULT_PORT)) for name in names):
        return _LOOPBACK
    return None


def look(endpoint: Endpoint, timeout: timedelta) -> Sighting:
    """Return what is presented at ``endpoint``; ``timeout`` is for each of its two responses."""
    try:
        peer = probe.connect(endpoint, timeout)
    except DockerUnavailable as error:
        return Sighting(endpoint, reason=error.message)
    shown = probe.greet(peer, timeout).certificate
    if shown is None:
        return Sighting(endpoint, reason=f"{endpoint.authority} presents no certificate")
    try:
        certificate = load_certificates(ssl.DER_cert_to_PEM_cert(shown))[0]
    except VerificationError as error:
        return Sighting(endpoint, reason=f"{error.message} ({endpoint.authority})")
    return Sighting(endpoint, peer.ip, certificate)


def compare(seen: Sighting, installed: Sequence[Certificate], now: datetime) -> Wire:
    """Compare what was seen with what is ``installed``, the certificate in use first."""
    endpoint, certificate = str(seen.endpoint), seen.certificate
    if certificate is None or seen.address is None:
        return Wire(Presented.UNREACHABLE, endpoint, reason=seen.reason)
    is_here = identity.has_address(seen.address)
    if certificate == installed[0]:
        presented = Presented.SAME
    elif successor(certificate, installed, is_here=is_here, now=now) is not None:
        presented = Presented.REPLACED
    else:
        presented = Presented.OTHER
    return Wire(presented, endpoint, describe(certificate))


def _loopback_names() -> Names:
    return identity.LOCAL_NAMES


def _is_for(certificate: Certificate, endpoint: Endpoint) -> bool:
    return judge_name(endpoint, certificate).result is Result.OK
