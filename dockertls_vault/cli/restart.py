"""The note about dockerd, which has to be restarted for a new certificate (moby#23936)."""

from __future__ import annotations

from shlex import quote
from typing import TYPE_CHECKING

from dockertls_vault.credential.layout import Layout
from dockertls_vault.host import systemd

from .directories import SERVER_DIRECTORY

if TYPE_CHECKING:
    from pathlib import Path

    from dockertls_vault.credential.record import Record


def option(directory: Path) -> str:
    """Return the option of a command that names the directory of a server credential, if needed."""
    return "" if directory == SERVER_DIRECTORY else f" --dir {quote(str(directory))}"


def note(record: Record, directory: Path, *, can_configure: bool, is_new: bool) -> str:
    """Return how to make a daemon serve the certificate that is now in use, if no hook does.

    ``directory`` is that of the credential, which `daemon configure` accepts if ``can_configure``.
    If it ``is_new``, no daemon is known to use its files.
    """
    if record.layout is Layout.DIND:
        return (
            "dockerd in the container reads these files only at startup; restart the container to "
            "use the new certificate"
        )
    by_hand = "dockerd reads these files only at startup; restart it to use the new certificate"
    if systemd.is_running():
        by_hand += " (sudo systemctl restart docker)"
    unused = "dockerd does not use these files until it is set up"
    if record.hooks is None and can_configure:
        configure = "sudo dockertls-vault daemon configure" + option(directory)
        if is_new and record.also_trusted:
            return f"{unused}: run `{configure}` once each client trusts the CA of this certificate"
        advice = f"{unused}:" if is_new else f"{by_hand}, or"
        return f"{advice} run `{configure}`; each renewal then restarts it"
    if is_new:
        printed = "dockertls-vault daemon configure --print flags" + option(directory)
        return f"{unused}: `{printed}` prints the settings"
    return by_hand
