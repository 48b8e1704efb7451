"""The credentials on this host: their validity, and their problems.

Nothing is changed, and Vault is not asked. The certificate of a daemon is read in a handshake
without a client certificate, so no key is used.
"""

from __future__ import annotations

import functools
import os
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from .certificate.certificate import describe, load_certificates
from .certificate.request import Purpose
from .credential import condition, contents, reader, settle
from .credential.reader import locate
from .credential.worker import by_worker
from .docker.diagnosis import wire
from .docker.diagnosis.wire import Presented, Wire
from .errors import ConflictingState, DockerTLSError, VerificationError
from .files import reading
from .findings import Finding, Severity, of_also_trusted, of_hooks, of_validity, of_wire, worst

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime, timedelta
    from pathlib import Path

    from cryptography.x509 import Certificate

    from .certificate.also_trusted import TrustedUntil
    from .certificate.certificate import Description
    from .certificate.names import Names
    from .certificate.schedule import Schedule
    from .credential.condition import Condition
    from .credential.contents import Certificates
    from .credential.layout import Placement
    from .credential.settle import Pending, Running
    from .docker.endpoint import Endpoint
    from .findings import Limits


def _not_set_up(_directory: Path) -> Endpoint | None:
    return None


@dataclass(frozen=True)
class Asking:
    """How to connect to the daemons of servers.

    ``known`` is the endpoint in DOCKER_HOST, if any; ``detect`` returns the names of this host;
    ``timeout`` is the limit for each response. ``set_up`` returns where the daemon of a directory's
    credential was set up to listen, None if it was not set up here.
    """

    known: Endpoint | None
    detect: Callable[[], Names]
    timeout: timedelta
    set_up: Callable[[Path], Endpoint | None] = _not_set_up


@dataclass(frozen=True)
class CredentialStatus:
    """A credential, as its files and its daemon show it; times in UTC.

    What is unknown is None: all but the ``findings``, the worst of which is the ``severity``, if
    the credential cannot be read. ``valid_until`` is when the first certificate of its chain, or
    the last CA in ca.pem, expires; ``renewal_due`` when it is renewed, counted from ``issued_at``.
    ``damaged`` is whether files were lost or changed since they were installed; ``pending_hooks``
    is None if there are none, and ``wire`` for a client; ``also_trusted`` are the CAs that ca.pem
    contains only until an end date.
    """

    directory: Path
    severity: Severity
    findings: tuple[Finding, ...]
    purpose: Purpose | None = None
    certificate: Description | None = None
    issued_at: datetime | None = None
    valid_until: datetime | None = None
    renewal_due: datetime | None = None
    damaged: bool | None = None
    pending_hooks: Pending | None = None
    also_trusted: tuple[TrustedUntil, ...] = ()
    wire: Wire | None = None


@dataclass(frozen=True)
class Status:
    """The credentials in the order in which they were named, and the worst of their severities."""

    severity: Severity
    credentials: tuple[CredentialStatus, ...]


@dataclass(frozen=True)
class _Read:
    """What the files of a credential show, and what is wrong with them.

    ``others`` are the certificates of the generations that are not in use.
    """

    condition: Condition
    certificates: Certificates | None
    damage: tuple[str, ...]
    others: tuple[Certificate, ...]

    @property
    def directory(self) -> Path:
        """The directory, or its subdirectory for docker:dind."""
        return self.condition.place.directory

    @property
    def purpose(self) -> Purpose:
        """Whether it is a server's or a client's."""
        return self.condition.record.request.purpose

    @property
    def leaves(self) -> tuple[Certificate, ...]:
        """The certificate in use, if it can be read, and the others."""
        return (*((self.certificates.leaf,) if self.certificates else ()), *self.others)

    @property
    def schedule(self) -> Schedule | None:
        """When it is due, None if there is no certificate that could be."""
        return contents.schedule_of(self.condition, self.certificates)


def status(
    named: Sequence[Path],
    running: Running,
    asking: Asking,
    limits: Limits,
    *,
    registered: Sequence[Path],
    admins: str | None,
    now: datetime,
) -> Status:
    """Return the status of the credentials in the directories ``named``, or else ``registered``.

    Those are the ones that `renew` renews without their names. If there is none either, the
    severity is UNKNOWN, since there may have been some. Never raises for what it finds.
    """
    listed = {os.path.realpath(each) for each in registered}
    read = _read if named else _read_listed
    found = [read(directory, admins) for directory in named or registered]
    daemons = _Daemons(asking, [each for each in found if isinstance(each, _Read)])
    done = tuple(
        each
        if isinstance(each, CredentialStatus)
        else _judge(
            each,
            daemons.present(each, now),
            settle.pending(each.condition, running, now),
            limits,
            is_listed=os.path.realpath(each.directory) in listed,
            now=now,
        )
        for each in found
    )
    severity = worst(each.severity for each in done) if done else Severity.UNKNOWN
    return Status(severity, done)


def _read_listed(directory: Path, admins: str | None) -> _Read | CredentialStatus:
    """Read a registered credential; if it is gone, that may be on purpose."""
    try:
        directory.lstat()
    except FileNotFoundError:
        gone = Finding(Severity.WARNING, "the directory is gone; the next `renew` drops it")
        return CredentialStatus(directory, gone.severity, (gone,))
    except OSError:
        pass  # reading it fails with the reason
    return _read(directory, admins)


def _read(directory: Path, admins: str | None) -> _Read | CredentialStatus:
    """Read a credential with the rights of the user who owns its directory."""
    try:
        place = locate(directory, admins=admins)
        return by_worker(place, _read_files)
    except ConflictingState as error:
        finding = Finding(Severity.CRITICAL, error.message)
    except DockerTLSError as error:
        finding = Finding(Severity.UNKNOWN, "; ".join(filter(None, (error.message, error.hint))))
    except OSError as error:
        finding = Finding(Severity.UNKNOWN, f"it cannot be read: {error.strerror}")
    return CredentialStatus(directory, finding.severity, (finding,))


def _read_files(place: Placement) -> _Read:
    found = condition.read(place)
    certificates, damage = contents.read_certificates(found)
    if certificates is not None:
        damage = contents.key_damage(found, certificates)
    _, *others = reader.kept(found.place.directory) or (None,)
    return _Read(
        found,
        certificates,
        (*found.damage, *damage),
        tuple(leaf for files in others if files and (leaf := _leaf(files.cert))),
    )


def _leaf(path: Path) -> Certificate | None:
    """Return the first certificate of a file, None if it cannot be read."""
    try:
        return load_certificates(reading.read(path))[0]
    except (OSError, ValueError, VerificationError):
        return None


class _Daemons:
    """The daemons of servers; each is asked once, however many certificates could be its own."""

    def __init__(self, asking: Asking, credentials: Sequence[_Read]) -> None:
        self._asking = asking
        self._look = functools.cache(partial(wire.look, timeout=asking.timeout))
        self._owners = {leaf: each.directory for each in credentials for leaf in each.leaves}

    def present(self, found: _Read, now: datetime) -> Wire | None:
        """Return what the daemon of a credential presents; None for a client."""
        if found.certificates is None or found.purpose is Purpose.CLIENT:
            return None
        asking = self._asking
        leaf = found.certificates.leaf
        endpoint = asking.set_up(found.directory) or wire.endpoint_of(
            leaf, asking.known, asking.detect
        )
        if endpoint is None:
            return wire.NOT_ASKED
        seen = self._look(endpoint)
        shown = wire.compare(seen, found.leaves, now)
        owner = seen.certificate and self._owners.get(seen.certificate)
        if shown.presented is Presented.OTHER and owner is not None:
            reason = f"the daemon at {endpoint} has the certificate of {owner}"
            return Wire(Presented.NOT_ASKED, reason=reason)
        return shown


def _also_trusted(certificates: Certificates) -> tuple[TrustedUntil, ...]:
    return tuple(each.described() for each in certificates.temporary)


def _judge(
    found: _Read,
    presented: Wire | None,
    pending: Pending | None,
    limits: Limits,
    *,
    is_listed: bool,
    now: datetime,
) -> CredentialStatus:
    certificates, schedule = found.certificates, found.schedule
    also_trusted = () if certificates is None else _also_trusted(certificates)
    findings = [Finding(Severity.CRITICAL, each) for each in found.damage]
    if certificates is not None:
        findings += of_validity(certificates, schedule, limits, now)
        findings += of_also_trusted(also_trusted, now)
    findings += of_hooks(pending)
    if presented is not None:
        findings += of_wire(presented, pending, now)
    if not is_listed:
        note = "not listed: `renew` renews it only if you name its directory"
        findings.append(Finding(Severity.OK, note))
    return CredentialStatus(
        directory=found.directory,
        severity=worst(each.severity for each in findings),
        findings=tuple(findings),
        purpose=found.purpose,
        certificate=None if certificates is None else describe(certificates.leaf),
        issued_at=None if schedule is None else schedule.issued,
        valid_until=None if certificates is None else certificates.valid_until,
        renewal_due=None if schedule is None else schedule.due,
        damaged=bool(found.damage),
        pending_hooks=pending,
        also_trusted=also_trusted,
        wire=presented,
    )
