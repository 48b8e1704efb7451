"""Renew many credentials in one run, which share one session with Vault."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .credential.naming import PRIVATE
from .renew import Action, Renewal, renew
from .renewal.mounts import Mounts
from .vault.pki import PKI

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator
    from datetime import datetime
    from pathlib import Path

    from .credential.registry import Registry
    from .credential.settle import Running
    from .errors import DockerTLSError
    from .renewal.reasons import Policy
    from .vault.session import Session

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Renewals:
    """What one run did, credential by credential."""

    renewals: tuple[Renewal, ...]

    @property
    def errors(self) -> tuple[DockerTLSError, ...]:
        """What failed."""
        return tuple(each.error for each in self.renewals if each.error is not None)

    @property
    def changed(self) -> bool:
        """Whether anything new was installed."""
        installed = {Action.RENEWED, Action.TRUST_UPDATED}
        return any(each.action in installed for each in self.renewals)

    @property
    def vault_asked(self) -> bool:
        """Whether Vault answered all that any of the renewals may depend on."""
        return all(each.vault_asked for each in self.renewals)

    @property
    def warnings(self) -> tuple[str, ...]:
        """The warnings of all renewals, each with the directory that it is about."""
        return tuple(
            f"{each.directory}: {text}" for each in self.renewals for text in each.warnings
        )


@dataclass(frozen=True)
class Selection:
    """The credentials to renew: in the directories ``named``, or else all in the registry.

    ``hidden`` are those that may exist although a sandbox hides them.
    """

    registry: Registry
    named: tuple[Path, ...] = ()
    hidden: tuple[Path, ...] = ()

    def directories(self) -> tuple[Path, ...]:
        """Return the directories as of now; raises what ``known`` raises."""
        return self.named or known(self.registry, hidden=self.hidden)

    def note_look(self, done: Renewals, now: datetime) -> None:
        """Record that Vault was asked about all credentials of the host, if it was.

        An hour later, `needs-renewal` answers that it is time again. Raises CannotWrite.
        """
        if not self.named and done.renewals and done.vault_asked:
            self.registry.looked(now)


def known(registry: Registry, *, hidden: Collection[Path] = ()) -> tuple[Path, ...]:
    """Return the directories of the credentials that this host knows.

    Those that are gone are dropped from the registry, unless they are ``hidden``. Raises
    CannotWrite if that fails.
    """
    found = []
    for directory in registry.known():
        try:
            (directory / PRIVATE).stat()
        except (FileNotFoundError, NotADirectoryError):
            if directory in hidden:
                found.append(directory)  # the renewal fails with the reason
                continue
            registry.remove(directory)
            logger.warning("the credential in %s is gone, and will no longer be renewed", directory)
        except OSError:
            found.append(directory)  # the renewal fails with the reason
        else:
            found.append(directory)
    return tuple(found)


def renew_all(
    directories: Iterable[Path],
    policy: Policy,
    running: Running,
    session: Session,
    registry: Registry,
    clock: Callable[[], datetime],
) -> Iterator[Renewal]:
    """Renew what is due of the credentials in ``directories``; yield each as it is done.

    Each has the whole timeout of the session's settings, but a failure that affects all of them
    costs it only once.
    """
    mounts = Mounts(lambda path: PKI(session, path), clock)
    for directory in directories:
        session.allow(session.settings.timeout)
        yield renew(
            directory,
            policy,
            running,
            mounts,
            registry=registry,
            admins=session.settings.admin_group,
            clock=clock,
        )
