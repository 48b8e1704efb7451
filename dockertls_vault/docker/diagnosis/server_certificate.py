"""Judge the certificate that a daemon presents on the wire; pure."""

from __future__ import annotations

import ssl
from datetime import timedelta
from typing import TYPE_CHECKING

from cryptography.x509.oid import ExtendedKeyUsageOID

from dockertls_vault.certificate.certificate import (
    describe,
    fingerprint,
    is_signed_by,
    load_certificates,
    serial_text,
)
from dockertls_vault.certificate.names import parse_address
from dockertls_vault.certificate.verify import extended_key_usages
from dockertls_vault.docker.handshake.outcome import one_line
from dockertls_vault.duration import format_duration, format_time
from dockertls_vault.errors import VerificationError

from .causes import Cause, explain_distrust
from .checks import Check
from .remedies import ISSUE_CLIENT, RESTART_HERE, TRY_AGAIN
from .report import Result

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from cryptography.x509 import Certificate

    from dockertls_vault.docker.endpoint import Endpoint
    from dockertls_vault.docker.handshake.outcome import Greeting, Objection

    from .report import CheckResult

# Renewal is due when a third of the validity is left, so less means that it was missed. For a
# validity of years, a month is early enough.
WARN_AT_SHARE = 1 / 3
WARN_AT_MOST = timedelta(days=30)

_RESTART = "restart dockerd, which reads it only at startup"
_ISSUE_AGAIN = f"issue the server's certificate again (dockertls-vault issue server) and {_RESTART}"
_RENEW = (
    "if the file on that host has another serial, restart dockerd, which reads it only at "
    "startup; otherwise issue it again (dockertls-vault issue server) and restart"
)
# OpenSSL's X509_V_ERR_CERT_NOT_YET_VALID and _CERT_HAS_EXPIRED.
_TIME_CODES = {9, 10}
# OpenSSL's X509_V_ERR_INVALID_PURPOSE.
_PURPOSE_CODE = 26


def load(der: bytes | None) -> Certificate | None:
    """Read the certificate of a handshake; None if there is none, or it cannot be read."""
    if der is None:
        return None
    try:
        return load_certificates(ssl.DER_cert_to_PEM_cert(der))[0]
    except VerificationError:
        return None


def judge_name(endpoint: Endpoint, certificate: Certificate) -> CheckResult:
    """Judge whether the name dialed is among the SANs; like Go, ignore the common name."""
    description = describe(certificate)
    names = [*map(one_line, description.dns_names), *description.ip_addresses]
    if endpoint.is_address:
        found = endpoint.host in map(parse_address, description.ip_addresses)
    else:
        found = any(_matches(endpoint.host, name) for name in description.dns_names)
    if found:
        return Check.NAME.found(
            Result.OK, f"{endpoint.host} is one of the SANs: {', '.join(names)}"
        )
    if endpoint.is_address and endpoint.host in map(parse_address, description.dns_names):
        return Check.NAME.found(
            Result.ERROR,
            f"{endpoint.host} is in the certificate as a DNS name only (DNS:{endpoint.host})",
            reason="docker matches an address against the IP SANs only",
            remedy=f"issue the server's certificate again with --host {endpoint.host}, with a "
            "role that allows IP addresses (allow_ip_sans=true)",
        )
    dialable = [name for name in names if "*" not in name][:3]
    again = f"issue the server's certificate again with --host {endpoint.host}"
    return Check.NAME.found(
        Result.ERROR,
        f"{endpoint.host} is not among the SANs: {', '.join(names)}" if names else "it has no SANs",
        reason="docker rejects a certificate without the name it connects to, and ignores the "
        "common name",
        remedy=f"connect to {' or '.join(dialable)}, or {again}" if dialable else again,
    )


def judge_chain(
    greeting: Greeting,
    certificate: Certificate | None,
    roots: Sequence[Certificate],
    now: datetime,
    issue: str = ISSUE_CLIENT,
) -> CheckResult:
    """Judge whether the chain in ``greeting`` leads to ``roots``, those in our ca.pem.

    ``certificate`` is the server's own, None if it was not received or cannot be read; its
    validity and its usage have checks of their own. ``issue`` is the command that replaces our
    files, ca.pem among them.
    """
    found = Check.CHAIN.found

    add_root = f"if this is the right daemon, add its root to ca.pem: {issue}, with its mount"
    objections = [
        objection
        for objection in greeting.objections or ()
        if not (certificate and _has_its_own_check(objection, certificate, now))
    ]
    if greeting.certificate is None:
        return found(
            Result.UNKNOWN,
            "the server's certificate was not received",
            "it is unknown whether docker would trust the daemon",
            TRY_AGAIN,
        )
    if certificate is None:
        return found(
            Result.ERROR if objections else Result.UNKNOWN,
            "; ".join(["the server's certificate cannot be read", *_reasons(objections)]),
            "it is unknown whether docker would trust the daemon",
            add_root if objections else _ISSUE_AGAIN,
        )
    if greeting.objections is None:
        return Check.CHAIN.skipped("no usable ca.pem")
    if objections:
        reason = "; ".join(_reasons(objections))
        cause = explain_distrust(certificate, roots, reason, add_root)
        issuer = one_line(certificate.issuer.rfc4514_string())
        return found(
            Result.ERROR,
            f"{reason}\non the wire, issued by {issuer}:\n"
            f"{fingerprint(certificate)}\nin ca.pem:\n{_listed(roots)}",
            cause.reason,
            cause.remedy,
        )
    # If an intermediate signed it, any of them may be its root.
    issuers = [root for root in roots if is_signed_by(certificate, root)] or roots
    return found(Result.OK, f"chains to {_listed(issuers)}")


def _has_its_own_check(objection: Objection, certificate: Certificate, now: datetime) -> bool:
    """Tell whether an objection is to the server's own validity or usage."""
    if objection.depth > 0:
        return False
    if objection.code in _TIME_CODES:
        return not _is_valid(certificate, now)
    usages = extended_key_usages(certificate)
    is_no_server = bool(usages) and ExtendedKeyUsageOID.SERVER_AUTH not in usages
    return objection.code == _PURPOSE_CODE and is_no_server


def _reasons(objections: Sequence[Objection]) -> list[str]:
    """Return each reason once; OpenSSL may report the same one at each depth."""
    return list(dict.fromkeys(found.reason for found in objections))


def _listed(roots: Sequence[Certificate]) -> str:
    return "\n".join(
        f"{one_line(root.subject.rfc4514_string())}\n{fingerprint(root)}" for root in roots
    )


def judge_validity(
    certificate: Certificate, now: datetime, successor: Certificate | None = None
) -> CheckResult:
    """Judge whether the certificate is valid, and for long enough to act before it expires.

    ``successor`` is the certificate that replaced it on this host, but that dockerd does not
    present yet.
    """
    waiting = successor and Cause(
        f"a newer one is installed on this host (serial {serial_text(successor)}), but dockerd has "
        "not been restarted",
        RESTART_HERE,
    )
    start, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    left = end - now
    if left <= timedelta(0):
        cause = waiting or Cause(
            "it was not renewed, or dockerd has not been restarted since", _RENEW
        )
        return Check.VALIDITY.found(
            Result.ERROR,
            f"it expired {format_duration(-left)} ago: valid until {format_time(end)}",
            reason="dockerd keeps serving an expired certificate, which every client rejects: "
            + cause.reason,
            remedy=cause.remedy,
        )
    if now < start:
        return Check.VALIDITY.found(
            Result.ERROR,
            f"not valid for another {format_duration(start - now)}",
            reason="this machine's clock is behind the CA's, or its validity starts later",
            remedy="compare the clocks of this machine, the daemon's host and Vault",
        )
    summary = f"expires in {format_duration(left)}, at {format_time(end)} "
    summary += f"(validity {format_duration(end - start)})"
    if waiting or left < min((end - start) * WARN_AT_SHARE, WARN_AT_MOST):
        cause = waiting or Cause(
            "renewal is overdue, or dockerd has not been restarted since",
            _RENEW,
        )
        return Check.VALIDITY.found(Result.WARNING, summary, cause.reason, cause.remedy)
    return Check.VALIDITY.found(Result.OK, summary)


def judge_usage(certificate: Certificate) -> CheckResult:
    """Judge whether it is a server certificate and nothing else."""
    usages = extended_key_usages(certificate)
    if usages == {ExtendedKeyUsageOID.SERVER_AUTH}:
        return Check.USAGE.found(Result.OK, "serverAuth only")
    if not usages:
        return _dual("no extended key usage, so it is valid for servers and clients")
    if usages & {ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE} and (
        usages != {ExtendedKeyUsageOID.CLIENT_AUTH}
    ):
        return _dual("it is valid for clients too")
    if ExtendedKeyUsageOID.SERVER_AUTH in usages:
        return Check.USAGE.found(Result.OK, "serverAuth, and others that docker ignores")
    return Check.USAGE.found(
        Result.ERROR,
        "it is not a server certificate: serverAuth is missing",
        reason="docker rejects a daemon with such a certificate",
        remedy=_ISSUE_AGAIN,
    )


def _dual(summary: str) -> CheckResult:
    return Check.USAGE.found(
        Result.WARNING,
        summary,
        reason="a dual-EKU server certificate is a Docker root credential: anyone who can read its "
        "key is root on every host that trusts its CA",
        remedy="issue it with extendedKeyUsage=serverAuth alone (with Vault: set client_flag=false "
        f"in its role, then `dockertls-vault issue server`), and {_RESTART}",
    )


def _is_valid(certificate: Certificate, now: datetime) -> bool:
    return certificate.not_valid_before_utc <= now < certificate.not_valid_after_utc


def _matches(name: str, pattern: str) -> bool:
    """Tell whether a SAN matches: ``*`` stands for exactly the first label (RFC 6125 §6.4.3)."""
    pattern = pattern.lower()
    if pattern.startswith("*."):
        return name.partition(".")[2] == pattern[2:]
    return name == pattern
