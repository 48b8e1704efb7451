"""Check a daemon from outside: whom it accepts, whom it rejects, and why.

Every check runs, even after a failure, unless it no longer makes sense; it is then reported as
skipped. The daemon is asked for nothing but ``/version``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .certificate.certificate import describe
from .credential import reader
from .docker.diagnosis import answers, client_credential, server_certificate, trust
from .docker.diagnosis.attempts import attempt, doubt_another_server, warn_of_impostor
from .docker.diagnosis.causes import explain_refusal
from .docker.diagnosis.checks import Check
from .docker.diagnosis.remedies import ISSUE_CLIENT
from .docker.diagnosis.report import Report, Result, worst
from .docker.diagnosis.successor import find_successor, restart_instead
from .docker.endpoint import Endpoint
from .docker.handshake import authorities, probe
from .docker.handshake.outcome import Answered
from .errors import DockerUnavailable
from .host import identity

if TYPE_CHECKING:
    from datetime import datetime, timedelta
    from pathlib import Path

    from cryptography.x509 import Certificate

    from .credential.reader import CredentialFiles
    from .docker.diagnosis.report import CheckResult
    from .docker.handshake.outcome import Version


def check(
    endpoint: Endpoint,
    files: CredentialFiles | None,
    *,
    server: Path | None = None,
    timeout: timedelta,
    now: datetime,
    issue: str = ISSUE_CLIENT,
) -> Report:
    """Check ``endpoint`` with the credential in ``files``; never raise for what it finds.

    Without usable ``files``, only the checks as a stranger run. ``server`` is the directory of
    this host's own server credential, which may be newer than what its daemon presents;
    ``timeout`` is the limit for each response, ``now`` the time in UTC, ``issue`` the command
    that replaces ``files``.
    """
    ours = (
        client_credential.load(files.ca, files.cert, files.key, now, issue)
        if files
        else client_credential.none(issue)
    )
    try:
        peer = probe.connect(endpoint, timeout)
    except DockerUnavailable as error:
        port = Check.PORT.found(Result.UNREACHABLE, error.message, remedy=error.hint or None)
        return _report(endpoint, [ours.result, port], "no connection")
    reached = Endpoint(peer.ip, endpoint.port).authority
    port = Check.PORT.found(Result.OK, f"connected to {reached}")
    in_the_clear = probe.ask(peer, None, timeout).outcome
    plaintext = answers.judge_plaintext(in_the_clear)
    results = [ours.result, port, plaintext]
    if plaintext.result is Result.CRITICAL:
        return _report(endpoint, results, "the port serves plaintext", address=peer.ip)

    attempts = attempt(peer, ours, timeout, now)
    stranger, forged, known = attempts.stranger, attempts.forged, attempts.known
    if forged is None:
        results.append(answers.judge_no_certificate(stranger))
        return _report(endpoint, results, "no TLS handshake was possible", address=peer.ip)
    decisive = attempts.decisive
    greeting = decisive.greeting
    certificate = server_certificate.load(greeting.certificate)
    cause = explain_refusal(greeting.authorities, ours.chain, ours.roots, certificate)
    results += [
        doubt_another_server(answers.judge_no_certificate(stranger), stranger, decisive),
        doubt_another_server(answers.judge_forged(forged), forged, decisive),
        answers.judge_ours(known, ours.result, cause)
        if known
        else Check.VERSION.skipped("no usable client certificate and key"),
    ]
    if answers.are_not_of_docker(attempts.outcomes):
        reason = "the server is not Docker"
        return _report(endpoint, results, reason, address=peer.ip, certificate=certificate)
    results += [
        trust.judge_trust(
            greeting,
            in_the_clear,
            stranger.outcome,
            known.outcome if known else None,
            ours={certificate.issuer for certificate in ours.chain},
            roots={root.subject for root in ours.roots},
            public=authorities.public_authorities(),
        ),
        warn_of_impostor(
            server_certificate.judge_chain(greeting, certificate, ours.roots, now, issue), attempts
        ),
    ]
    if certificate is not None:
        successor = _find_successor(certificate, server, peer.ip, now)
        results += _judge_certificate(endpoint, certificate, successor, now)
    return _report(
        endpoint,
        results,
        "the server's certificate was not received, or cannot be read",
        address=peer.ip,
        certificate=certificate,
        daemon=known.outcome.version if known and isinstance(known.outcome, Answered) else None,
    )


def _find_successor(
    certificate: Certificate, server: Path | None, address: str, now: datetime
) -> Certificate | None:
    """Return the certificate in ``server`` that replaces it once dockerd restarts, if any."""
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
    """Judge the certificate's contents; ``successor`` replaces it once dockerd restarts."""
    name, usage = (
        server_certificate.judge_name(endpoint, certificate),
        server_certificate.judge_usage(certificate),
    )
    if successor is not None:
        name = restart_instead(name, server_certificate.judge_name(endpoint, successor))
        usage = restart_instead(usage, server_certificate.judge_usage(successor))
    return [name, server_certificate.judge_validity(certificate, now, successor), usage]


def _report(
    endpoint: Endpoint,
    results: list[CheckResult],
    reason: str,
    *,
    address: str | None = None,
    certificate: Certificate | None = None,
    daemon: Version | None = None,
) -> Report:
    """Put the report together; ``reason`` is why the checks that did not run were skipped."""
    done = {result.check: result for result in results}
    every = tuple(done.get(each.identifier) or each.skipped(reason) for each in Check)
    return Report(
        endpoint=str(endpoint),
        address=address,
        result=worst(every),
        checks=every,
        certificate=describe(certificate) if certificate else None,
        daemon=daemon,
    )
