"""The CAs whose clients dockerd accepts now, and rejects once a credential is set up."""

from __future__ import annotations

from dataclasses import dataclass
from shlex import quote
from typing import TYPE_CHECKING

from dockertls_vault.certificate import verify
from dockertls_vault.certificate.request import Purpose
from dockertls_vault.credential.trust import warn_of_removed_cas

from . import configuration, tls_files

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from pathlib import Path, PurePosixPath

    from dockertls_vault.certificate.certificate import Description

    from .served import Served

_PAGE = "docs/how-to/move-a-hand-made-host.md"


@dataclass(frozen=True)
class Distrusted:
    """The ``cas`` in ``file``, which is the tlscacert of dockerd now, that the new ca.pem lacks."""

    file: PurePosixPath | None = None
    cas: tuple[Description, ...] = ()

    def warn(self, directory: Path) -> None:
        """Name each CA, and how the credential in ``directory`` keeps it trusted."""
        keep = (
            f"keep it with `sudo -E dockertls-vault issue server --dir {quote(str(directory))} "
            f"--also-trust {quote(str(self.file))} --also-trust-until DATE`; see {_PAGE}"
        )
        warn_of_removed_cas(Purpose.SERVER, self.cas, keep=keep)


def find(arguments: Sequence[str], served: Served, now: datetime) -> Distrusted:
    """Return what a dockerd with these ``arguments``, and its daemon.json, no longer trusts.

    A file that cannot be read is ignored: dockerd cannot use it either.
    """
    settings = configuration.read(arguments, None).settings
    trusted = tls_files.read(settings).cas
    if isinstance(trusted, str):
        return Distrusted()
    return Distrusted(settings.tlscacert, verify.untrusted(trusted, served.roots, now))
