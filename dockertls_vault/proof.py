"""Prove that the daemon of this host serves its credential, and its API to nobody else.

``check`` judges it from outside. What only this host knows is added: the certificate must be the
one on disk, and the CAs whose clients it accepts must be those in ca.pem.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.serialization import Encoding

from .certificate.certificate import fingerprint
from .check import check
from .credential import reader
from .docker.diagnosis import client_credential
from .docker.diagnosis.checks import Check
from .docker.diagnosis.report import Result
from .docker.handshake import probe
from .errors import CheckFailed, ConflictingState
from .host import listening

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime, timedelta
    from pathlib import Path

    from .credential.reader import CredentialFiles
    from .daemon.desired import Listen
    from .daemon.served import Served
    from .docker.diagnosis.report import Report
    from .docker.endpoint import Endpoint
    from .docker.handshake.outcome import Greeting

# A warning is no reason to put a set-up back, nor is what could not be tried.
_FAILURES = {Result.UNKNOWN, Result.ERROR, Result.UNREACHABLE, Result.CRITICAL}
_ROOT = 0  # as whom systemd and dockerd open their sockets
# Not about the daemon: it is reached by an address that its certificate need not have.
_IGNORED = {Check.CREDENTIAL.identifier, Check.NAME.identifier}


@dataclass(frozen=True)
class Proof:
    """What a check found at one address, where the daemon has passed it."""

    listen: str
    report: Report


def prove(
    listen: Sequence[Listen],
    served: Served,
    client: CredentialFiles | None,
    *,
    timeout: timedelta,
    now: datetime,
    hint: str = "",
) -> tuple[Proof, ...]:
    """Check each address at which the daemon listens, also with the credential ``client``.

    ``[::]`` is checked by both families: something may listen, or be blocked, at only one of them.
    Raises CheckFailed with all problems, each with its address, if there are any, and the ``hint``.
    What answers there may be no socket of root on this host: that is a problem, and not dockerd.
    """
    proofs, problems, admits_anyone = [], [], False
    for each in listen:
        for endpoint in _reached(each):
            report, found = _check(endpoint, served, client, timeout, now)
            proofs.append(Proof(str(each), report))
            problems += [f"{each}: {problem}" for problem in found]
            if report.result is Result.CRITICAL:
                if listening.is_opened_by(_ROOT, endpoint.host, endpoint.port):
                    admits_anyone = True
                else:
                    problems.append(f"{each}: what answers there is not dockerd on this host")
    if problems:
        raise CheckFailed(
            "dockerd fails its check",
            tuple(dict.fromkeys(problems)),
            admits_anyone=admits_anyone,
            hint=hint,
        )
    return tuple(proofs)


def find_client(directory: Path, served: Served, now: datetime) -> CredentialFiles | None:
    """Return the client credential in ``directory``, None if there is none for this daemon."""
    try:
        files = reader.installed(directory)
    except (ConflictingState, OSError):
        return None
    return files if _is_accepted(files, served, now) else None


def _is_accepted(client: CredentialFiles, served: Served, now: datetime) -> bool:
    """Tell whether a client credential is usable, and issued by a CA that the daemon trusts."""
    found = client_credential.load(client.ca, client.cert, client.key, now)
    issuers = {certificate.issuer for certificate in found.chain}
    is_trusted = bool(issuers & {root.subject for root in served.roots})
    return is_trusted and found.hello is not None and found.result.result is not Result.ERROR


def _reached(listen: Listen) -> Iterator[Endpoint]:
    """Yield where this host reaches it, without a family of which it has no address."""
    for endpoint in listen.endpoints:
        if endpoint == listen.endpoint or listening.is_dialable(endpoint.host):
            yield endpoint


def _check(
    endpoint: Endpoint,
    served: Served,
    client: CredentialFiles | None,
    timeout: timedelta,
    now: datetime,
) -> tuple[Report, list[str]]:
    report = check(endpoint, client, timeout=timeout, now=now)
    problems = [
        f"{result.description}: {result.summary}"
        for result in report.checks
        if result.result in _FAILURES and result.check not in _IGNORED
    ]
    if report.result is not Result.UNREACHABLE:
        peer = probe.connect(endpoint, timeout)
        greeting = probe.greet(peer, timeout)
        if greeting.certificate is not None:  # what is not TLS has failed above
            problems += _differences(greeting, served)
    return report, problems


def _differences(greeting: Greeting, served: Served) -> Iterator[str]:
    if greeting.certificate != served.leaf.public_bytes(Encoding.DER):
        yield f"its certificate is not the one in {served.paths[1]} ({fingerprint(served.leaf)})"
    named = set(greeting.authorities)
    for root in served.roots:
        if root.subject not in named:
            yield f"it does not accept clients of {root.subject.rfc4514_string()}"
    for name in named - {root.subject for root in served.roots}:
        where = f"not in {served.paths[0]}"
        yield f"it also accepts clients of {name.rfc4514_string()}, which is {where}"
