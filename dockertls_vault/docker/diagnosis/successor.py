"""The certificate that a daemon would present if it were restarted.

dockerd reads its files only at startup (moby#23936), so the certificate that it presents may be
older than the one on its host's disk.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from dockertls_vault.certificate.certificate import load_certificates, subject_alternative_names
from dockertls_vault.errors import VerificationError
from dockertls_vault.files import reading

from .remedies import RESTART_HERE
from .report import Result

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from pathlib import Path

    from cryptography.x509 import Certificate

    from .report import CheckResult


def find_successor(
    on_the_wire: Certificate, files: Sequence[Path], *, is_here: bool, now: datetime
) -> Certificate | None:
    """Return the successor in ``files``, the one in use first; None if one cannot be read."""
    try:
        installed = [load_certificates(reading.read(path))[0] for path in files]
    except (OSError, ValueError, VerificationError):
        return None
    return successor(on_the_wire, installed, is_here=is_here, now=now)


def successor(
    on_the_wire: Certificate, installed: Sequence[Certificate], *, is_here: bool, now: datetime
) -> Certificate | None:
    """Return the first of ``installed`` if it replaced the certificate ``on_the_wire`` here.

    ``installed``, at least one, are the kept certificates: the one in use first, then older ones.
    If the one on the wire is among the older ones, it was replaced. It may also be older than all
    that are kept: if the daemon runs on this host (``is_here``), it was replaced if it has the
    same issuer, subject and names as the one in use, and is older. Return None if the one in use
    has expired too.
    """
    used, *others = installed
    if used.not_valid_after_utc <= now:
        return None
    is_known = on_the_wire in others
    return used if is_known or (is_here and _replaces(used, on_the_wire)) else None


def _replaces(newer: Certificate, older: Certificate) -> bool:
    return newer.not_valid_before_utc > older.not_valid_before_utc and (
        _identity(newer) == _identity(older)
    )


def _identity(certificate: Certificate) -> tuple[object, ...]:
    names = subject_alternative_names(certificate)
    return certificate.issuer, certificate.subject, frozenset(names or ())


def restart_instead(found: CheckResult, after: CheckResult) -> CheckResult:
    """Return ``found``; its remedy is a restart if the successor's result, ``after``, is OK."""
    if found.result is Result.OK or after.result is not Result.OK:
        return found
    return replace(found, remedy=f"{RESTART_HERE} (the certificate installed there fixes it)")
