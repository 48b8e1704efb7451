"""Check a daemon from outside: who is let in, who is kept out, and why.

Everything is tried, also after a failure, unless it makes no sense any more; such a step is
reported as skipped. Nothing is asked of the daemon but ``/version``.
"""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

from .docker import answers, credential, probe, wire
from .docker.intruder import foreign_context
from .docker.outcome import Answered, NotTLS, Silent
from .docker.probe import tls_context
from .docker.report import Report, Severity, Step, worst
from .errors import DockerUnavailable, VerificationError
from .x509 import describe, load_certificates

if TYPE_CHECKING:
    from datetime import datetime, timedelta

    from cryptography.x509 import Certificate

    from .docker.endpoint import Endpoint
    from .docker.outcome import Exchange, Version
    from .store import CredentialFiles

_CONNECT = "connect"
# Every step of a report, in order, with what it tries.
STEPS = {
    "credential": credential.READ,
    "port": _CONNECT,
    "plaintext": answers.PLAINTEXT,
    "no-certificate": answers.NO_CERTIFICATE,
    "foreign-certificate": answers.FOREIGN,
    "version": answers.OURS,
    "name": wire.NAME,
    "chain": wire.CHAIN,
    "lifetime": wire.LIFETIME,
    "usage": wire.USAGE,
}


def check(
    endpoint: Endpoint, files: CredentialFiles, *, timeout: timedelta, now: datetime
) -> Report:
    """Try ``endpoint`` with the credential in ``files``; never raises for what it finds.

    ``timeout`` is for each answer that is waited for, ``now`` the time in UTC.
    """
    ours = credential.load(files.ca, files.cert, files.key, now)
    try:
        peer = probe.connect(endpoint, timeout)
    except DockerUnavailable as error:
        port = Step("port", Severity.UNREACHABLE, _CONNECT, error.message, todo=error.hint)
        return _report(endpoint, [ours.step, port], "the port does not answer")
    port = Step("port", Severity.OK, _CONNECT, f"{peer.ip} answers at port {endpoint.port}")
    plaintext = answers.judge_plaintext(probe.ask(peer, None, timeout).outcome)
    steps = [ours.step, port, plaintext]
    if plaintext.severity is Severity.CRITICAL:
        return _report(endpoint, steps, "the port speaks plaintext", address=peer.ip)

    stranger = probe.ask(peer, tls_context(), timeout)
    steps.append(answers.judge_no_certificate(stranger.outcome))
    if stranger.certificate is None and isinstance(stranger.outcome, NotTLS | Silent):
        return _report(endpoint, steps, "no TLS handshake was possible", address=peer.ip)
    foreign = probe.ask(peer, foreign_context(ours.certificate, now), timeout)
    steps.append(answers.judge_foreign(foreign.outcome))
    known = probe.ask(peer, ours.context, timeout) if ours.context else None
    steps.append(
        answers.judge_ours(known.outcome, ours.step)
        if known
        else _skipped("version", "our certificate or key cannot be used")
    )

    certificate = _on_the_wire(stranger, foreign, known)
    if certificate is not None:
        steps.append(wire.judge_name(endpoint, certificate))
        verifying = ours.verifying
        steps.append(
            wire.judge_chain(probe.ask(peer, verifying, timeout), certificate, ours.roots, now)
            if verifying
            else _skipped("chain", "our ca.pem cannot be used")
        )
        steps += [wire.judge_lifetime(certificate, now), wire.judge_usage(certificate)]
    return _report(
        endpoint,
        steps,
        "the server's certificate was not to be seen",
        address=peer.ip,
        certificate=certificate,
        docker=known.outcome.version if known and isinstance(known.outcome, Answered) else None,
    )


def _on_the_wire(*exchanges: Exchange | None) -> Certificate | None:
    """Return the server's certificate from the first exchange that came to see it."""
    for exchange in exchanges:
        if exchange is not None and exchange.certificate is not None:
            try:
                return load_certificates(ssl.DER_cert_to_PEM_cert(exchange.certificate))[0]
            except VerificationError:
                return None
    return None


def _skipped(name: str, reason: str) -> Step:
    return Step(name, Severity.SKIPPED, STEPS[name], reason)


def _report(
    endpoint: Endpoint,
    steps: list[Step],
    reason: str,
    *,
    address: str | None = None,
    certificate: Certificate | None = None,
    docker: Version | None = None,
) -> Report:
    """Put the report together; the steps that it did not come to are skipped for ``reason``."""
    done = {step.name for step in steps}
    every = (*steps, *(_skipped(name, reason) for name in STEPS if name not in done))
    return Report(
        endpoint=str(endpoint),
        address=address,
        severity=worst(every),
        steps=every,
        certificate=describe(certificate) if certificate else None,
        docker=docker,
    )
