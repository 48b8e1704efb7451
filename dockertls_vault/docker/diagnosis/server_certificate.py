"""What is to be said of the certificate that a daemon shows on the wire; pure."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from cryptography.x509.oid import ExtendedKeyUsageOID

from dockertls_vault.certificate.certificate import describe, fingerprint, is_signed_by, serial_text
from dockertls_vault.certificate.names import parse_address
from dockertls_vault.certificate.verify import extended_key_usages
from dockertls_vault.docker.handshake.outcome import one_line
from dockertls_vault.duration import format_duration, format_time

from .report import Check, CheckResult, Result
from .successor import RESTART_HERE
from .trust import ISSUE_CLIENT, RESTART, TRY_AGAIN, Cause

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from cryptography.x509 import Certificate

    from dockertls_vault.docker.endpoint import Endpoint
    from dockertls_vault.docker.handshake.outcome import Greeting, Objection

# A certificate is renewed when a third of its validity is left; one with less was forgotten. Of
# years, a month is early enough.
WARN_AT_SHARE = 1 / 3
WARN_AT_MOST = timedelta(days=30)

NAME = "match the name against the SANs"
CHAIN = "verify the chain against our ca.pem"
VALIDITY = "check its validity"
USAGE = "check its extended key usage"
_ISSUE_AGAIN = (
    "issue the server's certificate again (dockertls-vault issue server) and restart dockerd, "
    "which reads it only at startup"
)
_RENEW = (
    "if the file on that host has another serial, restart dockerd, which reads it only at "
    "startup; else issue it again (dockertls-vault issue server) and restart"
)
# OpenSSL's X509_V_ERR_CERT_NOT_YET_VALID and _CERT_HAS_EXPIRED.
_TIME_CODES = {9, 10}
# OpenSSL's X509_V_ERR_INVALID_PURPOSE.
_PURPOSE_CODE = 26


def judge_name(endpoint: Endpoint, certificate: Certificate) -> CheckResult:
    """Tell whether the name dialled is among the SANs, as Go compares: the CN does not count."""
    description = describe(certificate)
    names = [*map(one_line, description.dns_names), *description.ip_addresses]
    if endpoint.is_address:
        found = endpoint.host in map(parse_address, description.ip_addresses)
    else:
        found = any(_matches(endpoint.host, name) for name in description.dns_names)
    if found:
        return CheckResult(
            "name", Result.OK, NAME, f"{endpoint.host} is there, among {', '.join(names)}"
        )
    if endpoint.is_address and endpoint.host in map(parse_address, description.dns_names):
        return CheckResult(
            "name",
            Result.ERROR,
            NAME,
            f"{endpoint.host} is in the certificate as a DNS name only (DNS:{endpoint.host})",
            reason="docker matches an address against the IP SANs only",
            remedy=f"issue the server's certificate again with --host {endpoint.host}, with a "
            "role that allows IP addresses (allow_ip_sans=true)",
        )
    dialable = [name for name in names if "*" not in name][:3]
    again = f"issue the server's certificate again with --host {endpoint.host}"
    return CheckResult(
        "name",
        Result.ERROR,
        NAME,
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
    """Tell whether the chain in ``greeting`` leads to ``roots``, which are those of our ca.pem.

    ``issue`` is the command that makes our files anew, ca.pem among them.

    ``certificate`` is the server's own, None where it was not to be seen or cannot be read. That
    its validity is over, or that it is no server's, is the business of other steps.
    """
    step = Check("chain", CHAIN).found

    bring_root = f"if this is the right daemon, add its root to ca.pem: {issue}, with its mount"
    objections = [
        found
        for found in greeting.objections or ()
        if not (certificate and _is_said_elsewhere(found, certificate, now))
    ]
    if greeting.certificate is None:
        return step(
            Result.UNKNOWN,
            "the server's certificate was not received",
            "it is unknown whether docker would trust the daemon",
            TRY_AGAIN,
        )
    if certificate is None:
        return step(
            Result.ERROR if objections else Result.UNKNOWN,
            "; ".join(["the server's certificate cannot be read", *_reasons(objections)]),
            "it is unknown whether docker would trust the daemon",
            bring_root if objections else _ISSUE_AGAIN,
        )
    if greeting.objections is None:
        return step(Result.SKIPPED, "no usable ca.pem")
    if objections:
        reason = "; ".join(_reasons(objections))
        cause = _explain_distrust(certificate, roots, reason, bring_root)
        issuer = one_line(certificate.issuer.rfc4514_string())
        return step(
            Result.ERROR,
            f"{reason}\non the wire, issued by {issuer}:\n"
            f"{fingerprint(certificate)}\nin ca.pem:\n{_listed(roots)}",
            cause.reason,
            cause.remedy,
        )
    # Above an intermediate it may be any of them.
    issuers = [root for root in roots if is_signed_by(certificate, root)] or roots
    return step(Result.OK, f"it chains to {_listed(issuers)}")


def _is_said_elsewhere(objection: Objection, certificate: Certificate, now: datetime) -> bool:
    """Tell whether an objection is to the server's own validity or usage, each with a step."""
    if objection.depth > 0:
        return False
    if objection.code in _TIME_CODES:
        return not _is_valid(certificate, now)
    usages = extended_key_usages(certificate)
    is_no_server = bool(usages) and ExtendedKeyUsageOID.SERVER_AUTH not in usages
    return objection.code == _PURPOSE_CODE and is_no_server


def _reasons(objections: Sequence[Objection]) -> list[str]:
    """Return each reason once; OpenSSL may have the same at each depth."""
    return list(dict.fromkeys(found.reason for found in objections))


def _listed(roots: Sequence[Certificate]) -> str:
    return "\n".join(
        f"{one_line(root.subject.rfc4514_string())}\n{fingerprint(root)}" for root in roots
    )


def judge_validity(
    certificate: Certificate, now: datetime, successor: Certificate | None = None
) -> CheckResult:
    """Tell whether the certificate is valid, and will be while somebody can still act.

    ``successor`` is what this host has installed in its place, and dockerd does not serve yet.
    """
    waiting = successor and Cause(
        f"a newer one is installed on this host (serial {serial_text(successor)}), but dockerd has "
        "not been restarted",
        RESTART_HERE,
    )
    start, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    left = end - now
    until = f"until {format_time(end)}"
    if left <= timedelta(0):
        cause = waiting or Cause(
            "it was not renewed, or dockerd has not been restarted since", _RENEW
        )
        return CheckResult(
            "validity",
            Result.ERROR,
            VALIDITY,
            f"it expired {format_duration(-left)} ago: valid {until}",
            reason="dockerd keeps serving an expired certificate, which every client rejects: "
            + cause.reason,
            remedy=cause.remedy,
        )
    if now < start:
        return CheckResult(
            "validity",
            Result.ERROR,
            VALIDITY,
            f"it becomes valid only in {format_duration(start - now)}",
            reason="this machine's clock is behind the CA's, or its validity starts later",
            remedy="compare the clocks of this machine, the daemon's host and Vault",
        )
    summary = f"{format_duration(left)} of {format_duration(end - start)} left, {until}"
    if waiting or left < min((end - start) * WARN_AT_SHARE, WARN_AT_MOST):
        cause = waiting or Cause(
            "renewal is overdue, or dockerd has not been restarted since",
            _RENEW,
        )
        return CheckResult(
            "validity", Result.WARNING, VALIDITY, summary, cause.reason, cause.remedy
        )
    return CheckResult("validity", Result.OK, VALIDITY, summary)


def judge_usage(certificate: Certificate) -> CheckResult:
    """Tell whether it is a server's certificate and nothing else."""
    usages = extended_key_usages(certificate)
    if usages == {ExtendedKeyUsageOID.SERVER_AUTH}:
        return CheckResult("usage", Result.OK, USAGE, "serverAuth only")
    if not usages:
        return _dual("it has none, so it is valid for both server and client")
    if usages & {ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE} and (
        usages != {ExtendedKeyUsageOID.CLIENT_AUTH}
    ):
        return _dual("it is valid for clients too")
    if ExtendedKeyUsageOID.SERVER_AUTH in usages:
        return CheckResult("usage", Result.OK, USAGE, "serverAuth, and others that docker ignores")
    return CheckResult(
        "usage",
        Result.ERROR,
        USAGE,
        "it is not a server certificate: serverAuth is missing",
        reason="docker rejects a daemon with such a certificate",
        remedy=_ISSUE_AGAIN,
    )


def _dual(summary: str) -> CheckResult:
    return CheckResult(
        "usage",
        Result.WARNING,
        USAGE,
        summary,
        reason="a dual-EKU server certificate is a Docker root credential: anyone who can read its "
        "key is root on every host that trusts its CA",
        remedy="set client_flag=false in the role, so that it issues serverAuth only, then "
        + _ISSUE_AGAIN,
    )


def _is_valid(certificate: Certificate, now: datetime) -> bool:
    return certificate.not_valid_before_utc <= now < certificate.not_valid_after_utc


def _matches(name: str, pattern: str) -> bool:
    """Tell whether a SAN matches: a ``*`` stands for the whole first label (RFC 6125)."""
    pattern = pattern.lower()
    if pattern.startswith("*."):
        return name.partition(".")[2] == pattern[2:]
    return name == pattern


def _explain_distrust(
    certificate: Certificate, roots: Sequence[Certificate], reason: str, bring_root: str
) -> Cause:
    """Say why the chain does not lead to ``roots``; ``reason`` is OpenSSL's.

    A certificate that is older than our roots is first of all one that dockerd was started with.
    """
    namesakes = [root for root in roots if root.subject == certificate.issuer]
    start = certificate.not_valid_before_utc
    is_older = all(start < root.not_valid_before_utc for root in namesakes or roots)
    if any(is_signed_by(certificate, root) for root in namesakes):
        return Cause(
            f"the root is one of ours, but a certificate in the chain is rejected ({reason})",
            bring_root,
        )
    if namesakes and is_older:
        return Cause(
            "the CA has the name of one of our roots but another key: it was recreated after this "
            "certificate was issued",
            f"{RESTART}; if it still presents this certificate, issue it again: dockertls-vault "
            "issue server",
        )
    if namesakes:
        return Cause(
            "the CA has the name of one of our roots but another key: it was recreated", bring_root
        )
    if is_older:
        return Cause(
            "its issuer is not among our roots, which are newer than it: the CA was rotated since "
            "dockerd started, it belongs to another CA, or dockerd's tlscert lacks an intermediate",
            f"if the CA was rotated, {RESTART}; else: {bring_root}",
        )
    return Cause(
        "its issuer is not among our roots: it belongs to another CA, or dockerd's tlscert lacks "
        "an intermediate",
        bring_root,
    )
