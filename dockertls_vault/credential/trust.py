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
        "once dockerd restarts, it refuses clients with a certificate of this CA"
        if purpose is Purpose.SERVER
        else "servers with a certificate of this CA are not trusted any more"
    )
    for ca in lost:
        logger.warning(
            "the new ca.pem lacks %s (SHA-256 %s): %s", ca.subject, ca.fingerprint, consequence
        )


def warn_of_returned(returned: Iterable[Description]) -> None:
    """Name each CA that comes back: it may have been taken out on purpose."""
    for ca in returned:
        logger.warning(
            "the ca.pem that is in use now has %s (SHA-256 %s), which the one before had not: if "
            "it was taken out on purpose, it is trusted again",
            ca.subject,
            ca.fingerprint,
        )
