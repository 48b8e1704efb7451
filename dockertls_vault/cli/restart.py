"""The note to restart dockerd, which cannot reload its certificate (moby#23936)."""

from __future__ import annotations

from shlex import quote
from typing import TYPE_CHECKING

from dockertls_vault.credential.layout import Layout

if TYPE_CHECKING:
    from pathlib import Path

    from dockertls_vault.credential.record import Record


def note(record: Record, directory: Path | None, *, can_configure: bool) -> str:
    """Return how to make a daemon serve the certificate that is now in use, if no hook does.

    ``directory`` is that of the credential, None for the default of `daemon configure`, which
    accepts the credential if ``can_configure``.
    """
    if record.layout is Layout.DIND:
        return (
            "dockerd in the container reads these files only at startup; restart the container to "
            "use the new certificate"
        )
    by_hand = (
        "dockerd reads these files only at startup; restart it to use the new certificate "
        "(sudo systemctl restart docker)"
    )
    if record.hooks is None and can_configure:
        configure = "sudo dockertls-vault daemon configure"
        configure += f" --dir {quote(str(directory))}" if directory else ""
        return f"{by_hand}, or run `{configure}`: then each renewal restarts it"
    return by_hand
