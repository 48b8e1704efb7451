"""Whom another ca.pem shuts out, and whom it lets in again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dockertls_vault.certificate.request import Purpose

from . import render

if TYPE_CHECKING:
    from dockertls_vault.certificate.certificate import Description


def say_who_is_shut_out(purpose: Purpose, lost: tuple[Description, ...]) -> None:
    """Name each CA that is not trusted any more, and what follows."""
    for ca in lost:
        consequence = (
            "once dockerd restarts, it refuses clients with a certificate of this CA"
            if purpose is Purpose.SERVER
            else "servers with a certificate of this CA are not trusted any more"
        )
        render.warn(f"the new ca.pem lacks {ca.subject} (SHA-256 {ca.fingerprint}): {consequence}")


def say_who_is_let_in_again(returned: tuple[Description, ...]) -> None:
    """Name each CA that comes back: it may have been taken out on purpose."""
    for ca in returned:
        render.warn(
            f"the ca.pem that is in use now has {ca.subject} (SHA-256 {ca.fingerprint}), which the "
            "one before had not: if it was taken out on purpose, it is trusted again"
        )
