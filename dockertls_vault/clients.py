"""Who connects to the dockerd on this host, and whether anybody still needs the previous CA.

dockerd logs whom it rejects, not whom it accepts, and TLS 1.3 hides a client's certificate from
everybody else. So while the daemon accepts a CA, nothing here can tell that nobody uses it; once it
does not, its log names each address that is rejected. A renewal restarts it, so what it logged in
earlier runs counts, too, as far as their CAs are known.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from . import stop
from .certificate import also_trusted
from .certificate.certificate import is_self_signed, load_certificates
from .certificate.request import Purpose
from .credential import condition, contents, history
from .credential.naming import GENERATION_NAMES
from .credential.reader import locate
from .credential.worker import by_worker
from .daemon import old_keys, running, runs
from .daemon.units import SERVICE
from .docker import rejections
from .docker.diagnosis import server_certificate
from .docker.endpoint import Endpoint
from .docker.handshake import probe
from .docker.handshake.outcome import Greeting
from .duration import format_time
from .errors import DockerTLSError, DockerUnavailable, VerificationError
from .files import reading
from .host import connections, identity, journal, listening

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence
    from datetime import datetime, timedelta
    from pathlib import Path

    from cryptography.x509 import Certificate, Name

    from .credential.contents import Certificates
    from .credential.layout import Placement
    from .daemon.old_keys import OldKeys
    from .daemon.runs import Counted
    from .docker.rejections import Reason, Rejection
    from .host.journal import Log, Runs
    from .host.listening import Listener

# Seconds until dockerd and journald have logged a connection, at most, and until we look again.
_LONGEST, _PAUSE = 5.0, 0.25


class Verdict(StrEnum):
    """Whether somebody still needs a CA besides Vault's."""

    UNKNOWN = "unknown"
    ACCEPTED = "accepted"
    REJECTED = "rejected"
    NOBODY = "nobody"


class Origin(StrEnum):
    """Whose CA it is: a root of Vault's in the ca.pem of a server certificate here, or not.

    dockerd gives no more than the name: it is ambiguous if there is another CA with the same name.
    """

    VAULT = "vault"
    OTHER = "other"
    AMBIGUOUS = "ambiguous"


@dataclass(frozen=True)
class AcceptedCA:
    """A CA whose clients the daemon accepts now, by its own account.

    ``until`` is when it is removed from the ca.pem of a server certificate here.
    """

    subject: str
    origin: Origin
    until: datetime | None


@dataclass(frozen=True)
class Connected:
    """An address, and how many connections it has now."""

    address: str
    connections: int


@dataclass(frozen=True)
class Rejected:
    """An address whose handshakes failed for a ``reason``: how often, and when the last one did.

    ``is_this_host`` if this host has that address now, on loopback or on an interface.
    """

    address: str
    is_this_host: bool
    reason: Reason
    count: int
    last: datetime


@dataclass(frozen=True)
class Clients:
    """Who connects to ``port``; times in UTC.

    ``presents`` is the directory of the credential whose certificate the daemon presents, in use or
    earlier, None if it is of none. ``accepts`` is None if the daemon could not be asked,
    ``connected`` if nothing listens there in this network namespace. ``rejected`` is complete since
    ``logged_since``, None if there is no log to read: since dockerd first ran without a CA that it
    had accepted, or, if that is not known, since it last started. ``suppressed`` is how many lines
    journald dropped. ``old_keys`` are private keys of a set-up by hand that are still here.
    ``unknown`` says what is left out.
    """

    port: int
    verdict: Verdict
    presents: Path | None
    accepts: tuple[AcceptedCA, ...] | None
    connected: tuple[Connected, ...] | None
    rejected: tuple[Rejected, ...] | None
    logged_since: datetime | None
    suppressed: int
    old_keys: tuple[Path, ...]
    unknown: tuple[str, ...]


def find(
    port: int, directories: Sequence[Path], state: Path, timeout: timedelta, now: datetime
) -> Clients:
    """Return who connects to the daemon at ``port``.

    ``directories`` are those of the credentials on this host, and where the daemon's old ones may
    be; ``state`` is the directory of its set-up, ``timeout`` the limit for its response.
    """
    listeners = listening.on_port(port)
    # Before the daemon is asked, which adds a connection.
    connected = _connected(port) if listeners else None
    bundles, files = list(_bundles(directories)), list(_ca_files(directories))
    greeting = _greet(_endpoints(listeners, port), timeout)
    accepts = _accepted(greeting, bundles, files)
    source = None if accepts is None else greeting.source
    counted = runs.find(state)
    log, shows_us = (None, False) if counted is None else _read_log(counted.runs, source, now)
    rejected = None if log is None else summarize(log)
    keys = old_keys.find(directories)
    return Clients(
        port=port,
        verdict=judge(accepts, log, rejected, counted, shows_us=shows_us),
        presents=_presented(greeting, directories),
        accepts=accepts,
        connected=connected,
        rejected=rejected,
        logged_since=None if log is None else log.since,
        suppressed=0 if log is None else log.suppressed,
        old_keys=keys.files,
        unknown=(
            *_unknown(accepts, connected, log, counted, shows_us=shows_us),
            *_unread(keys),
        ),
    )


def _read_log(
    chosen: Runs, source: tuple[str, int] | None, now: datetime
) -> tuple[Log | None, bool]:
    """Read dockerd's log, and tell whether it shows the connection that we made from ``source``.

    dockerd logs it a moment after it was made, which was after ``now``: an older line is about
    another one. The line proves that dockerd listens on the port, that no setting of its unit hides
    such lines, and that journald has said how many it dropped: it does before the next one.
    """
    deadline = time.monotonic() + _LONGEST
    while True:
        log = journal.read(SERVICE, running.NAME, chosen)
        if log is None or source is None:
            return log, False
        recent = (message for at, message in log.messages if at >= now)
        if any(rejections.is_of(message, *source) for message in recent):
            return log, True
        if time.monotonic() > deadline:
            return log, False
        stop.wait(_PAUSE)


def summarize(log: Log) -> tuple[Rejected, ...]:
    """Return who was rejected: for each address and reason the number and the last time."""
    found: dict[Rejection, Rejected] = {}
    for at, message in log.messages:
        rejection = rejections.parse(message)
        if rejection is not None:
            before = found.get(rejection)
            if before is None:
                is_ours = identity.has_address(rejection.address)
                before = Rejected(rejection.address, is_ours, rejection.reason, 0, at)
            found[rejection] = replace(before, count=before.count + 1, last=at)
    return tuple(found[each] for each in sorted(found))


def judge(
    accepts: Sequence[AcceptedCA] | None,
    log: Log | None,
    rejected: Sequence[Rejected] | None,
    counted: Counted | None,
    *,
    shows_us: bool,
) -> Verdict:
    """Return whether somebody still needs a CA besides Vault's, as far as that is proven.

    A log that does not show our own connection may be that of another daemon, and proves nothing.
    Connections from this host do not count: `check`, `status` and `daemon clients` connect without
    a certificate, too, and come from the address at which they reach the daemon.
    """
    if not accepts or not any(ca.origin is Origin.VAULT for ca in accepts):
        return Verdict.UNKNOWN
    if not _only_vaults(accepts):
        return Verdict.ACCEPTED
    if log is None or rejected is None or counted is None or not shows_us:
        return Verdict.UNKNOWN
    if any(each.reason.is_about_trust and not each.is_this_host for each in rejected):
        return Verdict.REJECTED
    is_whole = log.has_start and not log.suppressed and not log.is_flooded and not log.is_set_back
    is_complete = is_whole and not counted.unread
    return Verdict.NOBODY if is_complete else Verdict.UNKNOWN


def _only_vaults(accepts: Sequence[AcceptedCA]) -> bool:
    return all(ca.origin is Origin.VAULT and ca.until is None for ca in accepts)


def _bundles(directories: Iterable[Path]) -> Iterator[Certificates]:
    """Yield the certificates of each server on this host, as far as this user may read them."""
    for directory in directories:
        try:
            purpose, certificates = by_worker(locate(directory), _read)
        except (DockerTLSError, OSError):
            continue
        if certificates is not None and purpose is Purpose.SERVER:
            yield certificates


def _ca_files(directories: Iterable[Path]) -> Iterator[Certificate]:
    """Yield the CAs in the files ca.pem, whoever wrote them."""
    for directory in directories:
        with suppress(OSError, ValueError, VerificationError):
            yield from load_certificates(reading.read(directory / GENERATION_NAMES[0]))


def _read(place: Placement) -> tuple[Purpose, Certificates | None]:
    found = condition.read(place)
    certificates, _ = contents.read_certificates(found)
    return found.record.request.purpose, certificates


def _connected(port: int) -> tuple[Connected, ...]:
    return tuple(Connected(*each) for each in sorted(Counter(connections.peers(port)).items()))


def _endpoints(listeners: Sequence[Listener], port: int) -> tuple[Endpoint, ...]:
    """Return where this host may reach the daemon: a container's port may need no listener."""
    addresses = [address for each in listeners for address in each.dialable]
    return tuple(Endpoint(address, port) for address in addresses or ["localhost"])


def _greet(endpoints: Sequence[Endpoint], timeout: timedelta) -> Greeting:
    """Return the greeting at the first endpoint that answers."""
    for endpoint in endpoints:
        with suppress(DockerUnavailable):
            return probe.greet(probe.connect(endpoint, timeout), timeout)
    return Greeting()


def _presented(greeting: Greeting, directories: Sequence[Path]) -> Path | None:
    certificate = server_certificate.load(greeting.certificate)
    return None if certificate is None else history.holder(directories, certificate)


def _accepted(
    greeting: Greeting, bundles: Sequence[Certificates], files: Sequence[Certificate]
) -> tuple[AcceptedCA, ...] | None:
    """Return whose clients the daemon accepts: it names their CAs in each handshake."""
    if not greeting.asks or greeting.unreadable:
        return None
    temporary = {each.ca.subject: each.until for known in bundles for each in known.temporary}
    also = {each.ca for known in bundles for each in known.temporary}
    vaults = {
        ca for known in bundles for ca in known.roots if ca not in also and is_self_signed(ca)
    }
    unclear = ambiguous(greeting.authorities, vaults, also, files)
    origins = dict.fromkeys((ca.subject for ca in vaults), Origin.VAULT)
    origins |= dict.fromkeys(unclear, Origin.AMBIGUOUS)
    return tuple(
        AcceptedCA(
            name.rfc4514_string().replace("\n", "\\n"),
            origins.get(name, Origin.OTHER),
            temporary.get(name),
        )
        for name in greeting.authorities
    )


def ambiguous(
    named: Sequence[Name],
    vaults: Collection[Certificate],
    also: Collection[Certificate],
    files: Iterable[Certificate],
) -> frozenset[Name]:
    """Return the names of Vault's CAs that may be those of others, too.

    They are ``named`` more often than CAs are known, or one of ``files`` is a namesake.
    """
    known = {*vaults, *also}
    expected = Counter(ca.subject for ca in known)
    often = {name for name, count in Counter(named).items() if count > expected[name]}
    others = {ca.subject for ca in also_trusted.namesakes(known, files)}
    return frozenset({ca.subject for ca in vaults} & (often | others))


def _unknown(
    accepts: Sequence[AcceptedCA] | None,
    connected: Sequence[Connected] | None,
    log: Log | None,
    counted: Counted | None,
    *,
    shows_us: bool,
) -> Iterator[str]:
    if accepts is None:
        yield "whose clients the daemon accepts: it does not answer with TLS on that port (--port)"
    elif any(ca.origin is Origin.AMBIGUOUS for ca in accepts):
        yield (
            "which of the CAs with the name of Vault's it accepts: there is another one, and "
            "dockerd shows only names; remove its ca.pem once dockerd was restarted without it"
        )
    elif not any(ca.origin is Origin.VAULT for ca in accepts):
        yield (
            "which of these CAs is Vault's: none of them is in the ca.pem of a server certificate "
            "on this host that this user may read"
        )
    if connected is None:
        yield "who is connected: nothing listens on that port in this network namespace"
    if log is None or counted is None:
        yield f"who was rejected: {_no_log(counted)}"
    else:
        yield from _unlogged(log, counted.runs)
        if accepts is not None and not shows_us:
            yield (
                "who else was rejected: dockerd's log does not show the connection that this "
                "command has just made; another program may listen on that port, or LogLevelMax= "
                f"or LogFilterPatterns= of {SERVICE}, or journald's rate limit, hides such lines"
            )
    if accepts and not _only_vaults(accepts):
        yield "which certificate an accepted client has: dockerd does not log it"
    elif log is not None and log.has_start and counted is not None and counted.runs.after is None:
        why = f" ({counted.unread})" if counted.unread else ""
        yield (
            f"who was rejected before {format_time(log.since)}: it is not known which CAs dockerd "
            f"accepted then{why}"
        )


def _no_log(counted: Counted | None) -> str:
    """Return why there is no log, and where to look instead."""
    look = 'look for "TLS handshake error" in the log of dockerd'
    if counted is None:
        rootless = "rootless: `journalctl --user --unit=docker.service`"
        return f"systemd does not run {SERVICE} here; {look} ({rootless})"
    if os.geteuid():
        return "the journal shows this user no line that dockerd wrote; run this as root"
    return f"the journal has no line that dockerd wrote; {look}"


def _unlogged(log: Log, counted: Runs) -> Iterator[str]:
    since = format_time(log.since)
    if not log.has_start:
        first = (
            "dockerd's start" if counted.after is None else "dockerd's first start with these CAs"
        )
        yield (
            f"who was rejected before {since}: the journal, or its newest {journal.LARGEST:,} "
            f"lines of {SERVICE}, does not reach back to {first}"
        )
    if log.is_set_back:
        yield f"when they were rejected: the clock of this host was set back after {since}"
    if log.suppressed:
        yield f"who else was rejected: journald suppressed {log.suppressed} lines of {SERVICE}"
    if log.is_flooded:
        yield (
            f"who else was rejected: {SERVICE} logged {journal.BURST:,} lines within 30 seconds; "
            "journald may have dropped more"
        )


def _unread(keys: OldKeys) -> Iterator[str]:
    if keys.unread:
        places = ", ".join(map(str, keys.unread))
        yield f"whether there are old keys in what this user may not read: needs root: {places}"
