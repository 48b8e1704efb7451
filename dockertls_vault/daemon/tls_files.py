"""The TLS files of a dockerd as they are now: it may still serve what they held when it started."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dockertls_vault.certificate.certificate import load_certificates
from dockertls_vault.credential import layout, record
from dockertls_vault.errors import DockerTLSError, VerificationError
from dockertls_vault.files import reading

if TYPE_CHECKING:
    from pathlib import Path, PurePosixPath

    from cryptography.x509 import Certificate, Name

    from .examination.settings import Settings

Read = tuple["Certificate", ...] | str


@dataclass(frozen=True)
class TLSFiles:
    """The certificates in tlscert and in tlscacert, or the reason why they are not known."""

    chain: Read
    cas: Read

    @property
    def leaf(self) -> Certificate | str | None:
        """The daemon's own certificate, None if tlscert is not set."""
        if isinstance(self.chain, str):
            return self.chain
        return self.chain[0] if self.chain else None

    @property
    def intermediates(self) -> tuple[Certificate, ...]:
        """What follows it in tlscert."""
        return () if isinstance(self.chain, str) else self.chain[1:]

    @property
    def subjects_of_cas(self) -> tuple[Name, ...] | str:
        """The subject of each CA in tlscacert."""
        return self.cas if isinstance(self.cas, str) else tuple(ca.subject for ca in self.cas)


def read(settings: Settings) -> TLSFiles:
    """Read what the settings name."""
    return TLSFiles(_certificates(settings.tlscert), _certificates(settings.tlscacert))


def group_of_key(key: Path) -> int | None:
    """Return the group that may read a key which this tool installed (``--group``)."""
    with suppress(OSError, DockerTLSError), reading.opened(str(key.parent)) as directory:
        found = record.read(key.parent, directory)
        return layout.gid(found.group) if found and found.group else None
    return None


def _certificates(path: PurePosixPath | None) -> Read:
    if path is None:
        return ()
    try:
        return load_certificates(reading.read(str(path)))
    except PermissionError:
        return f"needs root: {path}"
    except (OSError, ValueError, VerificationError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        return f"{path} cannot be read: {reason}"
