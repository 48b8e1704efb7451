"""What the files of the generation in use contain, parsed; and whether they belong together."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dockertls_vault.certificate import schedule
from dockertls_vault.certificate.certificate import is_self_signed, load_certificates
from dockertls_vault.certificate.keys import is_key_of
from dockertls_vault.errors import VerificationError
from dockertls_vault.files import reading

from . import generations
from .due import jitter_seed
from .layout import GENERATION_NAMES

if TYPE_CHECKING:
    from datetime import datetime

    from cryptography.x509 import Certificate

    from dockertls_vault.certificate.schedule import Schedule

    from .condition import Condition


@dataclass(frozen=True)
class Contents:
    """The leaf certificate with its ``intermediates``, the CAs in ca.pem, and the key as PEM."""

    leaf: Certificate
    intermediates: tuple[Certificate, ...]
    trusted: tuple[Certificate, ...]
    key: bytes = field(repr=False)

    @property
    def roots(self) -> tuple[Certificate, ...]:
        """The roots in ca.pem, without the intermediates that docker:dind needs there."""
        return tuple(ca for ca in self.trusted if is_self_signed(ca))

    @property
    def valid_until(self) -> datetime:
        """When one end refuses the other: the end of the chain, or of the last CA in ca.pem."""
        chain = min(each.not_valid_after_utc for each in (self.leaf, *self.intermediates))
        return min(chain, max(each.not_valid_after_utc for each in self.trusted))


def read(found: Condition) -> tuple[Contents | None, tuple[str, ...]]:
    """Return the contents of the generation in use, and what is wrong with them.

    None if anything is; a file that is missing is the condition's to tell.
    """
    if found.path is None:
        return None, ()
    try:
        ca, cert, key = (reading.read(found.path / name) for name in GENERATION_NAMES)
        leaf, *intermediates = load_certificates(cert)
        trusted = load_certificates(ca)
        if not is_key_of(key, leaf):
            return None, ("key.pem is not the key of cert.pem",)
    except FileNotFoundError:
        return None, ()
    except OSError as error:
        return None, (f"the files in use cannot be read: {error.strerror}",)
    except (ValueError, VerificationError) as error:
        return None, (f"the files in use are corrupt: {error}",)
    return Contents(leaf, tuple(intermediates), trusted, key), ()


def schedule_of(found: Condition, contents: Contents) -> Schedule:
    """Return when the certificate in use is due, counted from its issue.

    If that is not known, it is when its generation was installed. Raises ValueError if the
    certificate had ended by then.
    """
    issued = (
        found.due.schedule.issued
        if found.due is not None
        else generations.installed_at(found.generation or "")
    )
    return schedule.plan(issued, contents.valid_until, jitter_seed(found.place.directory))
