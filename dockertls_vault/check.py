"""Check a daemon from outside: who is let in, who is kept out, and why.

Everything is tried, also after a failure, unless it makes no sense any more; such a step is
reported as skipped. Nothing is asked of the daemon but ``/version``.
"""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

from .certificate.certificate import describe, load_certificates
from .credential import reader
from .docker.diagnosis import answers, client_credential, server_certificate, trust
from .docker.diagnosis.attempts import attempt, of_nobody_else, of_the_same
from .docker.diagnosis.report import CheckResult, Report, Result, worst
from .docker.diagnosis.successor import find_successor, restart_instead
from .docker.handshake import authorities, probe
from .docker.handshake.outcome import Answered
from .errors import DockerUnavailable, VerificationError
from .host import identity

if TYPE_CHECKING:
    from datetime import datetime, timedelta
    from pathlib import Path

    from cryptography.x509 import Certificate

    from .credential.reader import CredentialFiles
    from .docker.endpoint import Endpoint
    from .docker.handshake.outcome import Version

_CONNECT = "connect"
# Every step of a report, in order, with what it tries.
CHECKS = {
    "credential": client_credential.READ,
    "port": _CONNECT,
    "plaintext": answers.PLAINTEXT,
    "no-certificate": answers.NO_CERTIFICATE,
    "forged-certificate": answers.FORGED,
    "trust": trust.TRUST,
    "version": answers.OURS,
    "name": server_certificate.NAME,
    "chain": server_certificate.CHAIN,
    "validity": server_certificate.VALIDITY,
    "usage": server_certificate.USAGE,
}


def check(
    endpoint: Endpoint,
    files: CredentialFiles | None,
    *,
    server: Path | None = None,
    timeout: timedelta,
    now: datetime,
    issue: str = trust.ISSUE_CLIENT,
) -> Report:
    """Try ``endpoint`` with the credential in ``files``; never raises for what it finds.

    Without ``files``, or where they cannot be used, it is tried as a stranger. ``server`` is the
    directory of this host's own server credential, which may be newer than what its daemon
    serves; ``timeout`` is for each answer that is waited for, ``now`` the time in UTC,
    ``issue`` the command that makes ``files`` anew.
    """
    ours = (
        client_credential.load(files.ca, files.cert, files.key, now, issue)
        if files
        else client_credential.none(issue)
    )
    try:
        peer = probe.connect(endpoint, timeout)
    except DockerUnavailable as error:
        port = CheckResult("port", Result.UNREACHABLE, _CONNECT, error.message, remedy=error.hint)
        return _report(endpoint, [ours.step, port], "the port does not answer")
    port = CheckResult("port", Result.OK, _CONNECT, f"{peer.ip} answers at port {endpoint.port}")
    in_the_clear = probe.ask(peer, None, timeout).outcome
    plaintext = answers.judge_plaintext(in_the_clear)
    steps = [ours.step, port, plaintext]
    if plaintext.result is Result.CRITICAL:
        return _report(endpoint, steps, "the port serves plaintext", address=peer.ip)

    attempts = attempt(peer, ours, timeout, now)
    stranger, forged, known = attempts.stranger, attempts.forged, attempts.known
    if forged is None:
        steps.append(answers.judge_no_certificate(stranger))
        return _report(endpoint, steps, "no TLS handshake was possible", address=peer.ip)
    decisive = attempts.decisive
    greeting = decisive.greeting
    certificate = _load(greeting.certificate)
    cause = trust.explain_refusal(greeting.authorities, ours.chain, ours.roots, certificate)
    steps += [
        of_the_same(answers.judge_no_certificate(stranger), stranger, decisive),
        of_the_same(answers.judge_forged(forged), forged, decisive),
        answers.judge_ours(known, ours.step, cause)
        if known
        else _skipped("version", "no usable client certificate and key"),
    ]
    if answers.are_of_another(attempts.outcomes):
        reason = "the server is not Docker"
        return _report(endpoint, steps, reason, address=peer.ip, certificate=certificate)
    steps += [
        trust.judge_trust(
            greeting,
            in_the_clear,
            stranger.outcome,
            known.outcome if known else None,
            ours={certificate.issuer for certificate in ours.chain},
            roots={root.subject for root in ours.roots},
            public=authorities.public_authorities(),
        ),
        of_nobody_else(
            server_certificate.judge_chain(greeting, certificate, ours.roots, now, issue), attempts
        ),
    ]
    if certificate is not None:
        successor = _find_successor(certificate, server, peer.ip, now)
        steps += _judge_certificate(endpoint, certificate, successor, now)
    return _report(
        endpoint,
        steps,
        "the server's certificate was not received, or cannot be read",
        address=peer.ip,
        certificate=certificate,
        docker=known.outcome.version if known and isinstance(known.outcome, Answered) else None,
    )


def _find_successor(
    certificate: Certificate, server: Path | None, address: str, now: datetime
) -> Certificate | None:
    """Return what is installed in ``server`` in the certificate's place, if dockerd is behind."""
    try:
        kept = reader.kept(server) if server else ()
    except OSError:
        return None
    if not kept:
        return None
    paths = [files.cert for files in kept]
    return find_successor(certificate, paths, is_here=identity.has_address(address), now=now)


def _judge_certificate(
    endpoint: Endpoint, certificate: Certificate, successor: Certificate | None, now: datetime
) -> list[CheckResult]:
    """Judge what the certificate says; ``successor`` comes with the next start of dockerd."""
    name, usage = (
        server_certificate.judge_name(endpoint, certificate),
        server_certificate.judge_usage(certificate),
    )
    if successor is not None:
        name = restart_instead(name, server_certificate.judge_name(endpoint, successor))
        usage = restart_instead(usage, server_certificate.judge_usage(successor))
    return [name, server_certificate.judge_validity(certificate, now, successor), usage]


def _load(der: bytes | None) -> Certificate | None:
    """Read the certificate that the server showed; None also where it cannot be read."""
    if der is None:
        return None
    try:
        return load_certificates(ssl.DER_cert_to_PEM_cert(der))[0]
    except VerificationError:
        return None


def _skipped(name: str, reason: str) -> CheckResult:
    return CheckResult(name, Result.SKIPPED, CHECKS[name], reason)


def _report(
    endpoint: Endpoint,
    steps: list[CheckResult],
    reason: str,
    *,
    address: str | None = None,
    certificate: Certificate | None = None,
    docker: Version | None = None,
) -> Report:
    """Put the report together; the steps that it did not come to are skipped for ``reason``."""
    done = {step.check: step for step in steps}
    every = tuple(done.get(name) or _skipped(name, reason) for name in CHECKS)
    return Report(
        endpoint=str(endpoint),
        address=address,
        result=worst(every),
        checks=every,
        certificate=describe(certificate) if certificate else None,
        docker=docker,
    )
