"""What the files of the generation in use contain, parsed; and whether they belong together."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dockertls_vault.certificate import schedule
from dockertls_vault.certificate.certificate import describe, is_self_signed, load_certificates
from dockertls_vault.certificate.keys import is_key_of
from dockertls_vault.certificate.names import Names
from dockertls_vault.errors import VerificationError
from dockertls_vault.files import reading

from . import generations
from .due import jitter_seed
from .naming import GENERATION_NAMES

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from cryptography.x509 import Certificate

    from dockertls_vault.certificate.also_trusted import AlsoTrusted
    from dockertls_vault.certificate.schedule import Schedule

    from .condition import Condition

_CA, _CERT, _KEY = GENERATION_NAMES


@dataclass(frozen=True)
class Certificates:
    """The leaf certificate with its ``intermediates``, and the CAs in ca.pem.

    ``also_trusted`` are those of the request: ca.pem may contain them.
    """

    leaf: Certificate
    intermediates: tuple[Certificate, ...]
    trusted: tuple[Certificate, ...]
    also_trusted: tuple[AlsoTrusted, ...] = ()

    @property
    def roots(self) -> tuple[Certificate, ...]:
        """The CAs that ca.pem trusts, without the intermediates that docker:dind needs there."""
        also = [each.ca for each in self.also_trusted if each.ca not in self.intermediates]
        return tuple(ca for ca in self.trusted if ca in also or is_self_signed(ca))

    @property
    def temporary(self) -> tuple[AlsoTrusted, ...]:
        """The CAs in ca.pem that are trusted only until their end date."""
        return tuple(each for each in self.also_trusted if each.ca in self.trusted)

    @property
    def names(self) -> Names:
        """The names in the certificate."""
        described = describe(self.leaf)
        return Names(described.dns_names, described.ip_addresses)

    @property
    def valid_until(self) -> datetime:
        """When one end refuses the other: the end of the chain, or of the last CA in ca.pem.

        CAs that are also trusted do not count: the other end of ours is issued by Vault.
        """
        chain = min(each.not_valid_after_utc for each in (self.leaf, *self.intermediates))
        also = [each.ca for each in self.also_trusted]
        lasting = [ca for ca in self.trusted if ca not in also] or self.trusted
        return min(chain, max(each.not_valid_after_utc for each in lasting))


@dataclass(frozen=True)
class Contents(Certificates):
    """The certificates of a credential, and its key as PEM."""

    key: bytes = field(repr=False, kw_only=True)


def read(found: Condition) -> tuple[Contents | None, tuple[str, ...]]:
    """Return the contents of the generation in use, and what is wrong with them.

    None if anything is. Missing files are part of the condition, not of this.
    """
    certificates, damage = read_certificates(found)
    if found.path is None or certificates is None:
        return None, damage
    try:
        key, damage = _read_key(found.path, certificates.leaf)
    except PermissionError as error:
        return None, _defects(error)
    return None if key is None else Contents(**vars(certificates), key=key), damage


def read_certificates(found: Condition) -> tuple[Certificates | None, tuple[str, ...]]:
    """Return what ``read`` does of the files that are no secret, which other users may read."""
    if found.path is None:
        return None, ()
    try:
        leaf, *intermediates = load_certificates(reading.read(found.path / _CERT))
        trusted = load_certificates(reading.read(found.path / _CA))
    except (OSError, ValueError, VerificationError) as error:
        return None, _defects(error)
    also = found.record.also_trusted
    return Certificates(leaf, tuple(intermediates), trusted, also), ()


def key_damage(found: Condition, certificates: Certificates) -> tuple[str, ...]:
    """Return what is wrong with the key; nothing is known of one that this user may not read."""
    if found.path is None:
        return ()
    try:
        return _read_key(found.path, certificates.leaf)[1]
    except PermissionError:
        return ()


def _read_key(generation: Path, leaf: Certificate) -> tuple[bytes | None, tuple[str, ...]]:
    """Return the key if it is that of ``leaf``, and else why not; raises PermissionError."""
    try:
        key = reading.read(generation / _KEY)
        if is_key_of(key, leaf):
            return key, ()
    except PermissionError:
        raise
    except (OSError, ValueError) as error:
        return None, _defects(error)
    return None, (f"{_KEY} is not the key of {_CERT}",)


def _defects(error: Exception) -> tuple[str, ...]:
    """Return what is wrong with files that could not be read."""
    match error:
        case FileNotFoundError():
            return ()
        case OSError():
            return (f"the files in use cannot be read: {error.strerror}",)
    return (f"the files in use are corrupt: {error}",)


def schedule_of(found: Condition, certificates: Certificates | None) -> Schedule | None:
    """Return when the certificate in use is due, None if there is none that could be.

    ``certificates`` are those in use, None if they cannot be read.
    """
    if found.due is not None:
        return found.due.schedule
    if certificates is None:
        return None
    with suppress(ValueError):  # it had expired when it was installed
        return schedule_with(found, certificates)
    return None


def schedule_with(found: Condition, certificates: Certificates) -> Schedule:
    """Return when the certificate in use is due with these CAs, counted from its issue.

    If the time of issue is not known, that of the installation is used. Raises ValueError if the
    certificate had expired by then.
    """
    issued = (
        found.due.schedule.issued
        if found.due is not None
        else generations.installed_at(found.generation or "")
    )
    return schedule.plan(issued, certificates.valid_until, jitter_seed(found.place.directory))
