"""Who connects to the dockerd on this host, and whether anybody still needs the CA of before.

dockerd logs whom it refuses, not whom it accepts, and TLS 1.3 hides a client's certificate from
everybody else. So while the daemon accepts a CA, nothing here can tell that nobody uses it; once it
does not, its log names each address that is refused.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from .certificate.certificate import is_self_signed
from .certificate.request import Purpose
from .credential import condition, contents
from .credential.reader import locate
from .credential.worker import by_worker
from .daemon import old_keys
from .docker import refusals
from .docker.endpoint import Endpoint
from .docker.handshake import probe
from .docker.refusals import Reason, is_this_host
from .errors import DockerTLSError, DockerUnavailable
from .host import connections, journal

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from datetime import datetime, timedelta
    from pathlib import Path

    from cryptography.x509 import Name

    from .credential.contents import Certificates
    from .credential.layout import Placement
    from .host.journal import Log


class Verdict(StrEnum):
    """Whether somebody still needs a CA besides Vault's."""

    UNKNOWN = "unknown"
    ACCEPTED = "accepted"
    REFUSED = "refused"
    NOBODY = "nobody"


@dataclass(frozen=True)
class AcceptedCA:
    """A CA whose clients the daemon accepts now, by its own account.

    ``is_vaults`` is whether it is a root of Vault's in the ca.pem of a server certificate here, and
    ``until`` when it is to be removed from one.
    """

    subject: str
    is_vaults: bool
    until: datetime | None


@dataclass(frozen=True)
class Connected:
    """An address, and how many connections it has now."""

    address: str
    connections: int


@dataclass(frozen=True)
class Refused:
    """An address whose handshakes failed for a reason, how often, and when it last did."""

    address: str
    reason: Reason
    count: int
    last: datetime


@dataclass(frozen=True)
class Clients:
    """Who connects to ``port``; times in UTC.

    ``accepts`` is None if the daemon could not be asked, ``connected`` if nothing listens there in
    this network namespace. ``refused`` is complete since ``logged_since``, None if there is no log
    to read; ``suppressed`` is how many lines journald dropped. ``old_keys`` are private keys of a
    set-up by hand that are still here. ``unknown`` says what is left out.
    """

    port: int
    verdict: Verdict
    accepts: tuple[AcceptedCA, ...] | None
    connected: tuple[Connected, ...] | None
    refused: tuple[Refused, ...] | None
    logged_since: datetime | None
    suppressed: int
    old_keys: tuple[Path, ...]
    unknown: tuple[str, ...]


def find(
    port: int, invocation: str | None, directories: Sequence[Path], timeout: timedelta
) -> Clients:
    """Return who connects to the daemon at ``port``.

    ``invocation`` is systemd's ID of the daemon's present run, None without systemd;
    ``directories`` are those of the credentials on this host, and where the daemon's old ones may
    be; ``timeout`` is for the daemon.
    """
    # The log first: asking the daemon adds a line to it.
    log = None if invocation is None else journal.read(invocation)
    here = connections.peers(port)
    accepts = _accepted(port, list(_bundles(directories)), timeout)
    refused = None if log is None else summarize(log)
    return Clients(
        port=port,
        verdict=judge(accepts, log, refused),
        accepts=accepts,
        connected=None
        if here is None
        else tuple(Connected(*each) for each in sorted(Counter(here).items())),
        refused=refused,
        logged_since=None if log is None else log.since,
        suppressed=0 if log is None else log.suppressed,
        old_keys=old_keys.find(directories),
        unknown=tuple(_unknown(accepts, here, log)),
    )


def summarize(log: Log) -> tuple[Refused, ...]:
    """Return who was refused, and why: for each address and reason the number and the last time."""
    found: dict[tuple[str, Reason], Refused] = {}
    for at, message in log.messages:
        refusal = refusals.parse(message)
        if refusal is not None:
            before = found.get(refusal)
            count = 1 if before is None else before.count + 1
            found[refusal] = Refused(*refusal, count, at)
    return tuple(found[each] for each in sorted(found))


def judge(
    accepts: Sequence[AcceptedCA] | None, log: Log | None, refused: Sequence[Refused] | None
) -> Verdict:
    """Return whether somebody still needs a CA besides Vault's, as far as that is proven.

    Refusals of this host itself do not count: `check`, `status` and `daemon clients` connect
    without a certificate, too.
    """
    if not accepts or not any(ca.is_vaults for ca in accepts):
        return Verdict.UNKNOWN
    if not _only_vaults(accepts):
        return Verdict.ACCEPTED
    if log is None or refused is None:
        return Verdict.UNKNOWN
    if any(each.reason.is_about_trust and not is_this_host(each.address) for each in refused):
        return Verdict.REFUSED
    return Verdict.UNKNOWN if log.suppressed else Verdict.NOBODY


def _only_vaults(accepts: Sequence[AcceptedCA]) -> bool:
    return all(ca.is_vaults and ca.until is None for ca in accepts)


def _bundles(directories: Iterable[Path]) -> Iterator[Certificates]:
    """Yield the certificates of each server on this host, as far as this user may read them."""
    for directory in directories:
        try:
            purpose, certificates = by_worker(locate(directory), _read)
        except (DockerTLSError, OSError):
            continue
        if certificates is not None and purpose is Purpose.SERVER:
            yield certificates


def _read(place: Placement) -> tuple[Purpose, Certificates | None]:
    found = condition.read(place)
    certificates, _ = contents.read_certificates(found)
    return found.record.request.purpose, certificates


def _accepted(
    port: int, bundles: Sequence[Certificates], timeout: timedelta
) -> tuple[AcceptedCA, ...] | None:
    """Ask the daemon whose clients it accepts: it names their CAs in each handshake."""
    try:
        peer = probe.connect(Endpoint("localhost", port), timeout)
    except DockerUnavailable:
        return None
    greeting = probe.greet(peer, timeout)
    if not greeting.asks or greeting.unreadable:
        return None
    temporary = {each.ca.subject: each.until for known in bundles for each in known.temporary}
    also = {each.ca for known in bundles for each in known.temporary}
    vaults = {
        ca.subject
        for known in bundles
        for ca in known.roots
        if ca not in also and is_self_signed(ca)
    }
    return tuple(_named(name, vaults, temporary) for name in greeting.authorities)


def _named(name: Name, vaults: set[Name], temporary: dict[Name, datetime]) -> AcceptedCA:
    return AcceptedCA(
        name.rfc4514_string().replace("\n", "\\n"), name in vaults, temporary.get(name)
    )


def _unknown(
    accepts: Sequence[AcceptedCA] | None, here: Sequence[str] | None, log: Log | None
) -> Iterator[str]:
    if accepts is None:
        yield "whose clients the daemon accepts: it does not answer there with TLS"
    elif not any(ca.is_vaults for ca in accepts):
        yield (
            "which of these CAs is Vault's: no server certificate of this host, as far as this "
            "user may read them, has one of them in its ca.pem"
        )
    if here is None:
        yield "who is connected: nothing listens there in this network namespace"
    if log is None:
        yield "who was refused: there is no journal of docker.service that this user may read"
    elif log.suppressed:
        yield (
            f"who else was refused: journald suppressed {log.suppressed} lines of docker.service"
        )
    if accepts and not _only_vaults(accepts):
        yield "which certificate an accepted client has: dockerd does not log it"
