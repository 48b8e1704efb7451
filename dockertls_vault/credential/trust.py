"""Warn of the CAs that a new ca.pem stops trusting, or trusts again."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from dockertls_vault.certificate.request import Purpose
from dockertls_vault.duration import format_time

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dockertls_vault.certificate.certificate import Description

ALSO_TRUST = "with --also-trust FILE it stays trusted until a date"
logger = logging.getLogger(__name__)


def warn_of_removed_cas(
    purpose: Purpose, removed: Iterable[Description], *, keep: str = ""
) -> None:
    """Name each CA that is no longer trusted, and the consequence.

    ``keep`` is how it stays trusted, if what takes its place is not a set-up of this tool: whoever
    uses that CA has probably not heard of it.
    """
    consequence = (
        "once dockerd restarts, it rejects client certificates issued by this CA"
        if purpose is Purpose.SERVER
        else "server certificates issued by this CA are no longer trusted"
    )
    for ca in removed:
        logger.warning(
            "the new ca.pem no longer contains %s (SHA-256 %s, valid until %s): %s%s",
            ca.subject or "(empty)",
            ca.fingerprint_sha256,
            format_time(ca.not_after),
            consequence,
            f"; {keep}" if keep else "",
        )


def warn_of_restored_cas(restored: Iterable[Description]) -> None:
    """Name each CA that is trusted again: it may have been removed on purpose."""
    for ca in restored:
        logger.warning(
            "the ca.pem now in use contains %s (SHA-256 %s), which the previous one did not: if "
            "it was removed on purpose, it is now trusted again",
            ca.subject or "(empty)",
            ca.fingerprint_sha256,
        )
