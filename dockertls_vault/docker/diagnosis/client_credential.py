"""Our own side of a check: the client certificate, its key and the trust bundle."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID

from dockertls_vault.certificate.certificate import load_certificates
from dockertls_vault.certificate.verify import extended_key_usages
from dockertls_vault.docker.handshake.channel import (
    ClientCertificate,
    Hello,
    UnusableClientCertificate,
    require_usable,
)
from dockertls_vault.duration import format_duration, format_time
from dockertls_vault.errors import VerificationError
from dockertls_vault.files import reading

from .checks import Check
from .remedies import ISSUE_CLIENT
from .report import Result

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from cryptography.x509 import Certificate

    from dockertls_vault.certificate.keys import PrivateKey

    from .report import CheckResult

_CLIENT_USAGES = {ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE}


@dataclass(frozen=True)
class Credential:
    """The usable contents of the three files; ``result`` is the result of checking them.

    ``chain`` is our certificate and the intermediates in its file. ``identity`` is None if the
    certificate or the key is unusable, and ``roots`` are empty if ca.pem is.
    """

    chain: tuple[Certificate, ...]
    roots: tuple[Certificate, ...]
    identity: ClientCertificate | None
    result: CheckResult

    @property
    def hello(self) -> Hello | None:
        """How we open a handshake with it, if it is usable."""
        return Hello(self.identity, self.roots) if self.identity else None

    @property
    def certificate(self) -> Certificate | None:
        """Our certificate."""
        return self.chain[0] if self.chain else None


def none(issue: str = ISSUE_CLIENT) -> Credential:
    """Return an empty credential: none was named, and docker would find none by default.

    ``issue`` is the command that creates one.
    """
    result = Check.CREDENTIAL.found(
        Result.WARNING,
        "no credential",
        reason="only the checks without a client certificate are run",
        remedy=f"create one with {issue}, or set its directory with --certs",
    )
    return Credential(chain=(), roots=(), identity=None, result=result)


class _Unusable(Exception):
    """What is wrong with a file, and what to do; ``{issue}`` stands for the command."""

    def __init__(self, summary: str, remedy: str = "issue it again: {issue}") -> None:
        super().__init__(summary)
        self.summary = summary
        self.remedy = remedy


def load(ca: Path, cert: Path, key: Path, now: datetime, issue: str = ISSUE_CLIENT) -> Credential:
    """Read the three files; never raises: ``result`` reports what is wrong.

    ``issue`` is the command that replaces them, for the remedies.
    """
    chain: tuple[Certificate, ...] = ()
    roots: tuple[Certificate, ...] = ()
    identity: ClientCertificate | None = None
    problems: list[_Unusable] = []
    try:
        chain = _load_certificates(cert)
        identity = _identity(cert, key, chain)
    except _Unusable as problem:
        problems.append(problem)
    try:
        roots = _load_certificates(ca)
    except _Unusable as problem:
        problems.append(problem)
    if not problems:
        result = _judge(chain[0], now, issue)
    else:
        result = Check.CREDENTIAL.found(
            Result.ERROR,
            "; ".join(problem.summary for problem in problems),
            reason="docker cannot use them either",
            remedy=problems[0].remedy.format(issue=issue),
        )
    return Credential(chain, roots, identity, result)


def _read(path: Path) -> bytes:
    try:
        # In another user's home it may be a symlink to a device, or a FIFO.
        return reading.read(path)
    except PermissionError:
        raise _Unusable(
            f"no permission to read {path}", "run as its owner or a member of its group"
        ) from None
    except FileNotFoundError:
        raise _Unusable(
            f"{path} does not exist",
            "issue it: {issue}, or set another directory with --certs",
        ) from None
    except OSError as error:
        raise _Unusable(f"{path} cannot be read ({error.strerror})") from None
    except ValueError:
        raise _Unusable(f"{path} is not a regular file, or is too large") from None


def _load_certificates(path: Path) -> tuple[Certificate, ...]:
    try:
        return load_certificates(_read(path))
    except VerificationError as error:
        raise _Unusable(
            f"{path} cannot be read as certificates ({'; '.join(error.problems)})"
        ) from None


def _identity(cert: Path, key: Path, chain: tuple[Certificate, ...]) -> ClientCertificate:
    try:
        private_key = load_pem_private_key(_read(key), password=None)
    except TypeError:
        raise _Unusable(f"{key} is encrypted, which docker does not support") from None
    except (ValueError, UnsupportedAlgorithm):
        raise _Unusable(f"{key} contains no private key") from None
    if private_key.public_key() != chain[0].public_key():
        raise _Unusable(f"the key in {key} does not match the certificate in {cert}")
    # OpenSSL decides below whether it can use this kind of key.
    identity = ClientCertificate(chain, cast("PrivateKey", private_key))
    try:
        require_usable(identity)
    except UnusableClientCertificate as error:
        raise _Unusable(f"OpenSSL cannot use {cert} ({error})") from None
    return identity


def _judge(certificate: Certificate, now: datetime, issue: str) -> CheckResult:
    """Judge a readable certificate that matches its key."""
    subject = certificate.subject.rfc4514_string() or "the certificate"
    start, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    usages = extended_key_usages(certificate)

    found = Check.CREDENTIAL.found
    # Before its validity, whose remedy would replace a server's certificate with a client's.
    if usages and not usages & _CLIENT_USAGES:
        return found(
            Result.ERROR,
            f"{subject} is not a client certificate: clientAuth is missing",
            "the daemon accepts only client certificates",
            "set the directory of a client credential with --certs",
        )
    if end <= now:
        return found(
            Result.ERROR,
            f"{subject} expired {format_duration(now - end)} ago: valid until {format_time(end)}",
            "the daemon rejects an expired certificate; Docker before 23 reports only 'bad "
            "certificate'",
            f"issue it again: {issue}",
        )
    if now < start:
        return found(
            Result.ERROR,
            f"{subject} is not valid for another {format_duration(start - now)}",
            "this machine's clock is behind the CA's, or its validity starts later",
            "compare the clocks of this machine, the daemon's host and Vault",
        )
    if usages != {ExtendedKeyUsageOID.CLIENT_AUTH}:
        return found(
            Result.WARNING,
            f"{subject} is more than a client certificate",
            "it has no extended key usage, or more than clientAuth: it can impersonate a daemon",
            "set server_flag=false in the role, so that it issues clientAuth only, then issue "
            f"it again: {issue}",
        )
    return found(
        Result.OK,
        f"{subject}, issued by {certificate.issuer.rfc4514_string()}, expires in "
        f"{format_duration(end - now)}, at {format_time(end)}",
    )
