"""Whom another ca.pem shuts out, and whom it lets in again: nobody is to be surprised by it."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from dockertls_vault.certificate.request import Purpose

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dockertls_vault.certificate.certificate import Description

logger = logging.getLogger(__name__)


def warn_of_lost(purpose: Purpose, lost: Iterable[Description]) -> None:
    """Name each CA that is not trusted any more, and what follows."""
    consequence = (
        "once dockerd restarts, it rejects client certificates issued by this CA"
        if purpose is Purpose.SERVER
        else "server certificates issued by this CA are no longer trusted"
    )
    for ca in lost:
        logger.warning(
            "the new ca.pem lacks %s (SHA-256 %s): %s",
            ca.subject,
            ca.fingerprint_sha256,
            consequence,
        )


def warn_of_returned(returned: Iterable[Description]) -> None:
    """Name each CA that comes back: it may have been taken out on purpose."""
    for ca in returned:
        logger.warning(
            "the ca.pem now in use contains %s (SHA-256 %s), which the previous one did not: if "
            "it was removed on purpose, it is now trusted again",
            ca.subject,
            ca.fingerprint_sha256,
        )
