"""The values of ``--also-trust`` and ``--also-trust-until``: CAs from files, and their end date."""

from __future__ import annotations

import logging
import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from dockertls_vault.duration import format_time, parse_duration
from dockertls_vault.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dockertls_vault.certificate.also_trusted import AlsoTrusted
    from dockertls_vault.certificate.request import Purpose

logger = logging.getLogger(__name__)

NONE = "none"
_FILE, _UNTIL = "--also-trust", "--also-trust-until"
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_EXAMPLES = "write a duration such as 30d, or a date such as 2030-12-31"


def choose(
    files: Sequence[str] | None,
    until: str | None,
    before: Sequence[AlsoTrusted],
    now: datetime,
    peers: Purpose,
) -> tuple[AlsoTrusted, ...]:
    """Return the CAs that ca.pem is to contain besides Vault's: those in ``files``, or as before.

    They issue certificates of the ``peers`` that ca.pem verifies.

    ``until`` alone gives those requested ``before`` another end date; without it, the files have
    that of the ones before. CAs whose end date has passed are not taken over. Raises InvalidInput.
    """
    from dockertls_vault.certificate import also_trusted

    end = None if until is None else parse_until(until, now)
    if files is not None and list(files) == [NONE]:
        if end is not None:
            raise InvalidInput(f"{_UNTIL} has no meaning with {_FILE} {NONE}", hint="omit one")
        return ()
    kept = also_trusted.current(before, now)
    if files is not None:
        end = end or max((each.until for each in kept), default=None)
        if end is None:
            raise InvalidInput(f"{_FILE} needs an end date", hint=f"add {_UNTIL} 30d, for example")
        return _read(files, end, now, peers)
    if end is not None and not kept:
        raise InvalidInput(f"{_UNTIL} without {_FILE}", hint=f"name the CA's file with {_FILE}")
    if end is not None:
        return also_trusted.ending(kept, end)
    _report(before, kept)
    return kept


def parse_until(text: str, now: datetime) -> datetime:
    """Return the end date that ``text`` names: a duration from now, or a day, to its end in UTC.

    Raises InvalidInput, also if it has passed.
    """
    try:
        end = _end_of(text) if _DATE.fullmatch(text) else now + parse_duration(text)
    except InvalidInput as error:
        raise InvalidInput(f"{_UNTIL}: {error.message}", hint=_EXAMPLES) from None
    except (ValueError, OverflowError):
        raise InvalidInput(f"{_UNTIL}: no such date: {text!r}", hint=_EXAMPLES) from None
    end = end.replace(microsecond=0)  # as it is shown
    if end <= now:
        raise InvalidInput(f"{_UNTIL}: {text} has passed", hint=_EXAMPLES)
    return end


def _end_of(day: str) -> datetime:
    return datetime.fromisoformat(day).replace(tzinfo=UTC) + timedelta(days=1)


def _read(
    files: Sequence[str], until: datetime, now: datetime, peers: Purpose
) -> tuple[AlsoTrusted, ...]:
    """Read the CAs from all files; raises InvalidInput, naming the file."""
    from dockertls_vault.certificate import also_trusted
    from dockertls_vault.certificate.certificate import certificates_pem
    from dockertls_vault.files import bounded
    from dockertls_vault.settings import parsers

    found: dict[AlsoTrusted, None] = {}
    for file in files:
        if file in {"", NONE}:
            raise InvalidInput(f"{_FILE}: {file!r} among other files", hint="name files only")
        try:
            read = also_trusted.parse(bounded.read(parsers.path(file)), until, now)
            also_trusted.refuse_useless(read, peers)
        except InvalidInput as error:
            raise InvalidInput(f"{_FILE}: {file}: {error.message}", hint=error.hint) from None
        except (OSError, ValueError) as error:
            reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
            raise InvalidInput(
                f"{_FILE}: {file} cannot be read: {reason}",
                hint="name a readable file with the CA's certificate",
            ) from None
        found |= dict.fromkeys(read)
    if len(certificates_pem([each.ca for each in found])) > also_trusted.LARGEST:
        raise InvalidInput(
            f"{_FILE}: the files together have more than {also_trusted.LARGEST >> 10} KiB",
            hint="name files with the old CA only",
        )
    return tuple(found)


def _report(before: Sequence[AlsoTrusted], kept: Sequence[AlsoTrusted]) -> None:
    """Log which CAs are taken over: no option could be pasted, since the file may be gone."""
    for each in before:
        shown = each.described().certificate
        what = f"{shown.subject or '(empty)'} (SHA-256 {shown.fingerprint_sha256})"
        if each in kept:
            logger.info("also trusted, as before: %s, until %s", what, format_time(each.until))
        else:
            logger.info("no longer trusted: %s, since %s", what, format_time(each.until))
