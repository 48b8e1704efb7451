"""Warn of the CAs that a new ca.pem stops trusting, or trusts again."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from dockertls_vault.certificate.request import Purpose

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dockertls_vault.certificate.certificate import Description

logger = logging.getLogger(__name__)


def warn_of_removed_cas(purpose: Purpose, removed: Iterable[Description]) -> None:
    """Name each CA that is no longer trusted, and the consequence."""
    consequence = (
        "once dockerd restarts, it rejects client certificates issued by this CA"
        if purpose is Purpose.SERVER
        else "server certificates issued by this CA are no longer trusted"
    )
    for ca in removed:
        logger.warning(
            "the new ca.pem no longer contains %s (SHA-256 %s): %s",
            ca.subject or "(empty)",
            ca.fingerprint_sha256,
            consequence,
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
