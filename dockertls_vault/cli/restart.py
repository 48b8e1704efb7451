"""The note to restart dockerd, which cannot reload its certificate (moby#23936)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dockertls_vault.credential.layout import Layout

if TYPE_CHECKING:
    from dockertls_vault.credential.record import Record


def note(record: Record) -> str:
    """Return how to make a daemon serve the certificate that is now in use, if no hook does."""
    if record.layout is Layout.DIND:
        return (
            "dockerd in the container reads these files only at startup; restart the container to "
            "use the new certificate"
        )
    by_hand = (
        "dockerd reads these files only at startup; restart it to use the new certificate "
        "(systemctl restart docker)"
    )
    if record.hooks is None:
        configure = "`sudo dockertls-vault daemon configure`"
        return f"{by_hand}, or run {configure}: then each renewal restarts it"
    return by_hand
