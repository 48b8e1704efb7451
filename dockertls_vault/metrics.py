"""The status of this host's credentials as metrics, for the node exporter's textfile collector.

A time is in seconds since the epoch. A metric whose value is unknown has no sample.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Gauge, generate_latest

from .docker.diagnosis.wire import Presented
from .errors import CannotWrite
from .files import atomic

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from .status import CredentialStatus, Status

_MODE = 0o644  # the node exporter runs as another user
_LABELS = ("directory", "purpose")
_HELP = {
    "severity": "Status of a credential: 0 ok, 1 warning, 2 critical, 3 unknown.",
    "damaged": "Whether files were lost or changed since they were installed.",
    "certificate_not_before_timestamp_seconds": "Start of the certificate's validity.",
    "certificate_not_after_timestamp_seconds": "End of the validity, that of its CAs included.",
    "certificate_renewal_due_timestamp_seconds": "When the certificate is due for renewal.",
    "hooks_pending": "Whether hooks, such as a restart, have not run since the renewal.",
    "hook_failed": "Whether a hook failed; the next run of renew runs it again.",
    "wire_matches": "Whether the daemon presents the certificate on disk.",
    "wire_not_after_timestamp_seconds": "End of the validity of what the daemon presents.",
}


def write(status: Status, path: Path, now: datetime) -> None:
    """Replace the file at ``path`` (0644) atomically; raises CannotWrite."""
    content = _text(status, now)
    try:
        # The collector reads *.prom only, so not the file that is staged.
        atomic.publish(path, content, _MODE)
    except OSError as error:
        raise CannotWrite(
            f"cannot write {path}: {error.strerror}",
            hint="--metrics names a file in a directory that exists, the one in the node "
            "exporter's --collector.textfile.directory",
        ) from None


def _text(status: Status, now: datetime) -> bytes:
    registry = CollectorRegistry()
    gauges = {
        name: Gauge(f"dockertls_vault_{name}", text, _LABELS, registry=registry)
        for name, text in _HELP.items()
    }
    for credential in status.credentials:
        labels = (_utf8(credential.directory), credential.purpose or "")
        for name, value in _samples(credential).items():
            if value is not None:
                gauges[name].labels(*labels).set(value)
    Gauge(
        "dockertls_vault_status_timestamp_seconds", "When this was written.", registry=registry
    ).set(now.timestamp())
    return generate_latest(registry)


def _samples(found: CredentialStatus) -> dict[str, float | None]:
    """Return the value of each metric, None for what is unknown."""
    certificate, hooks, wire = found.certificate, found.pending_hooks, found.wire
    shown = None if wire is None else wire.certificate
    is_known = found.damaged is not None
    return {
        "severity": found.severity.exit_status,
        "damaged": found.damaged,
        "certificate_not_before_timestamp_seconds": _seconds(
            None if certificate is None else certificate.not_before
        ),
        "certificate_not_after_timestamp_seconds": _seconds(found.valid_until),
        "certificate_renewal_due_timestamp_seconds": _seconds(found.renewal_due),
        "hooks_pending": hooks is not None if is_known else None,
        "hook_failed": hooks is not None and hooks.failure is not None if is_known else None,
        "wire_matches": wire.presented is Presented.SAME if wire and shown else None,
        "wire_not_after_timestamp_seconds": _seconds(None if shown is None else shown.not_after),
    }


def _seconds(time: datetime | None) -> float | None:
    return None if time is None else time.timestamp()


def _utf8(path: Path) -> str:
    """Return a path as UTF-8 can encode it: a file name may be any bytes."""
    return os.fsencode(path).decode(errors="backslashreplace")
