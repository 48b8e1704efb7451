"""The TLS files of a dockerd as they are now: it may still serve what they held when it started."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cryptography.x509 import Certificate

from dockertls_vault.certificate.certificate import load_certificates
from dockertls_vault.certificate.keys import is_key_of
from dockertls_vault.credential import layout, record
from dockertls_vault.errors import DockerTLSError, VerificationError
from dockertls_vault.files import reading

if TYPE_CHECKING:
    from pathlib import PurePosixPath

    from cryptography.x509 import Name

    from dockertls_vault.certificate.also_trusted import AlsoTrusted
    from dockertls_vault.credential.record import Record

    from .examination.settings import Settings

_NEEDS_ROOT = "needs root: "
Read = tuple["Certificate", ...] | str


@dataclass(frozen=True)
class TLSFiles:
    """The certificates in tlscert and in tlscacert, or the reason why they are not known.

    ``also_trusted`` are the CAs of the request for tlscacert, if this tool installed it.
    """

    chain: Read
    cas: Read
    also_trusted: tuple[AlsoTrusted, ...] = ()

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
    requested = None if settings.tlscacert is None else _request(Path(settings.tlscacert).parent)
    return TLSFiles(
        _certificates(settings.tlscert),
        _certificates(settings.tlscacert),
        requested.also_trusted if requested else (),
    )


def unusable(settings: Settings) -> tuple[str, ...]:
    """Return why dockerd would not start with its TLS files, apart from what only root can tell."""
    if not settings.tls:
        return ()
    found = read(settings)
    causes = [
        ("tlscert", found.chain or "it is not set"),
        ("tlskey", _misfit(settings.tlskey, found.leaf)),
        # Without a tlsverify, dockerd does not read it.
        ("tlscacert", found.cas if settings.tlsverify else None),
    ]
    return tuple(
        f"{name}: {cause}"
        for name, cause in causes
        if isinstance(cause, str) and not cause.startswith(_NEEDS_ROOT)
    )


def group_of_key(key: Path) -> int | None:
    """Return the group that may read a key which this tool installed (``--group``)."""
    with suppress(DockerTLSError):
        found = _request(key.parent)
        return layout.gid(found.group) if found and found.group else None
    return None


def _request(directory: Path) -> Record | None:
    """Return what was requested for the files in a directory, None if that is not known."""
    with suppress(OSError, DockerTLSError), reading.opened(str(directory)) as opened:
        return record.read(directory, opened)
    return None


def _misfit(path: PurePosixPath | None, leaf: Certificate | str | None) -> str | None:
    """Return why a key cannot be used with the certificate, None if it can."""
    if path is None:
        return "it is not set"
    try:
        pem = reading.read(str(path))
        is_pair = not isinstance(leaf, Certificate) or is_key_of(pem, leaf)
    except PermissionError:
        return f"{_NEEDS_ROOT}{path}"
    except (OSError, ValueError) as error:
        return _unreadable(path, error)
    return None if is_pair else f"{path} is not the key of the certificate in tlscert"


def _certificates(path: PurePosixPath | None) -> Read:
    if path is None:
        return ()
    try:
        return load_certificates(reading.read(str(path)))
    except PermissionError:
        return f"{_NEEDS_ROOT}{path}"
    except (OSError, ValueError, VerificationError) as error:
        return _unreadable(path, error)


def _unreadable(path: PurePosixPath, error: Exception) -> str:
    reason = error.strerror if isinstance(error, OSError) else error
    return f"{path} cannot be read: {reason}"
