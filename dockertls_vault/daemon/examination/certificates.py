"""The certificate that a dockerd serves, against its files, and the CAs; pure."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from dockertls_vault.certificate.certificate import is_self_signed, serial_text
from dockertls_vault.docker.diagnosis.remedies import RESTART_HERE, RESTART_WITHOUT_SYSTEMD
from dockertls_vault.docker.diagnosis.report import Result
from dockertls_vault.docker.handshake.outcome import listed
from dockertls_vault.duration import format_duration, format_time

from .checks import Check

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from cryptography.x509 import Certificate, Name

    from dockertls_vault.certificate.also_trusted import AlsoTrusted
    from dockertls_vault.docker.diagnosis.report import CheckResult
    from dockertls_vault.docker.handshake.outcome import Greeting

# A new root needs time: it has to reach every ca.pem before it signs. For a CA of weeks, a third of
# its validity is as early as a renewal.
WARN_AT_SHARE = 1 / 3
WARN_AT_MOST = timedelta(days=90)


def judge_stale(
    greeting: Greeting,
    served: Certificate | None,
    on_disk: Certificate | str,
    trusted: Sequence[Name] | str,
    *,
    by_systemd: bool,
) -> CheckResult:
    """Judge whether a handshake shows what is in tlscert (``on_disk``) and tlscacert (``trusted``).

    ``served`` is the certificate of the handshake. A text is the reason why a file is not known.
    ``by_systemd`` is whether systemd starts dockerd.
    """
    found = Check.STALE.found
    if served is None:
        return Check.STALE.skipped("no certificate was received")
    if isinstance(on_disk, str):
        return Check.STALE.skipped(on_disk)
    reason = "dockerd reads its files only at startup, and these were replaced since"
    remedy = RESTART_HERE if by_systemd else RESTART_WITHOUT_SYSTEMD
    if served != on_disk:
        return found(
            Result.WARNING,
            f"it serves {_described(served)}; tlscert holds {_described(on_disk)}",
            reason,
            remedy,
        )
    if isinstance(trusted, str):
        return Check.STALE.skipped(trusted)
    named, wanted = set(greeting.authorities), set(trusted)
    if greeting.asks and not greeting.unreadable and named and named != wanted:
        differences = [
            f"{text} {listed([name for name in names if name not in others])}"
            for text, names, others in (
                ("it does not accept yet", list(trusted), named),
                ("it still accepts", greeting.authorities, wanted),
            )
            if set(names) - others
        ]
        return found(Result.WARNING, "; ".join(differences), reason, remedy)
    return found(Result.OK, f"it serves {_described(served)}, as in tlscert")


def judge_cas(
    trusted: Sequence[Certificate] | str,
    chain: Sequence[Certificate],
    also: Sequence[AlsoTrusted],
    now: datetime,
) -> CheckResult:
    """Judge how long the CAs are valid: those in tlscacert, and the intermediates in tlscert.

    Of the roots, the one that expires last counts: others may be on their way out of a rotation.
    Those of ``also`` should be in tlscacert only until their end dates.
    """
    found = Check.CAS.found
    if isinstance(trusted, str):
        return Check.CAS.skipped(trusted)
    if not trusted:
        return found(Result.OK, "no CA of its own")
    last = max(trusted, key=lambda ca: ca.not_valid_after_utc)
    intermediates = [ca for ca in chain if not is_self_signed(ca)]
    ending = [ca for ca in (last, *intermediates) if _ends_soon(ca, now)]
    lines = [_remaining(ca, now) for ca in dict.fromkeys((*trusted, *intermediates))]
    if not ending:
        return _judge_end_dates(trusted, also, lines, now)
    expired = [ca for ca in ending if ca.not_valid_after_utc <= now]
    return found(
        Result.ERROR if expired else Result.WARNING,
        lines,
        "once a CA has expired, the certificates that it issued are rejected",
        "make another CA the mount's default, wait until `dockertls-vault renew` has brought its "
        "root to every ca.pem, and restart dockerd",
    )


def _judge_end_dates(
    trusted: Sequence[Certificate], also: Sequence[AlsoTrusted], lines: list[str], now: datetime
) -> CheckResult:
    overdue = [each for each in also if each.ca in trusted and each.until <= now]
    if not overdue:
        return Check.CAS.found(Result.OK, lines)
    return Check.CAS.found(
        Result.WARNING,
        [_overdue(each) for each in overdue] + lines,
        "dockerd accepts clients of a CA for longer than requested (--also-trust-until)",
        "run `sudo dockertls-vault renew`, and restart dockerd; the timer that `renew "
        "--install-timer` installs does so in time",
    )


def _overdue(also: AlsoTrusted) -> str:
    name = also.ca.subject.rfc4514_string()
    return f"{name}: should have been removed at {format_time(also.until)}"


def _ends_soon(ca: Certificate, now: datetime) -> bool:
    validity = ca.not_valid_after_utc - ca.not_valid_before_utc
    return ca.not_valid_after_utc - now < min(validity * WARN_AT_SHARE, WARN_AT_MOST)


def _remaining(ca: Certificate, now: datetime) -> str:
    end = ca.not_valid_after_utc
    name = ca.subject.rfc4514_string()
    if end <= now:
        return f"{name}: expired at {format_time(end)}"
    return f"{name}: expires in {format_duration(end - now)}, at {format_time(end)}"


def _described(certificate: Certificate) -> str:
    end = format_time(certificate.not_valid_after_utc)
    return f"the certificate {serial_text(certificate)} (valid until {end})"
