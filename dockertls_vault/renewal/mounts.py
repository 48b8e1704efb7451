"""The PKI mounts of one run: its renewals share what is read from each."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from dockertls_vault.certificate import issuers
from dockertls_vault.certificate.certificate import load_all, load_certificates
from dockertls_vault.errors import (
    DockerTLSError,
    LoginDenied,
    NoLeader,
    NotInitialized,
    NoToken,
    NotVault,
    RateLimited,
    TokenRejected,
    UnknownHost,
    UnknownNamespace,
    VaultSealed,
    VaultUnreachable,
    WrappingTokenInvalid,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime

    from cryptography.x509 import Certificate

    from dockertls_vault.credential.record import Record
    from dockertls_vault.vault.pki import PKI

# What fails for every credential of a run, and what fails for those that need a token.
_UNAVAILABLE = (
    VaultUnreachable,
    NotVault,
    VaultSealed,
    NoLeader,
    NotInitialized,
    RateLimited,
    UnknownHost,
    UnknownNamespace,
)
_NO_LOGIN = (NoToken, LoginDenied, TokenRejected, WrappingTokenInvalid)


class Mounts:
    """The PKI mounts that one run asks; each is opened once, and asked once for its issuers."""

    def __init__(self, open_mount: Callable[[str], PKI], clock: Callable[[], datetime]) -> None:
        self._open = open_mount
        self._clock = clock
        self._opened: dict[str, PKI] = {}
        self._failures: list[DockerTLSError] = []

    @contextmanager
    def asking(self, *, with_token: bool) -> Iterator[None]:
        """Raise at once what failed for an earlier credential, if it would fail for this one, too.

        Otherwise each of them would wait for the whole timeout.
        """
        for failure in self._failures:
            if with_token or isinstance(failure, _UNAVAILABLE):
                raise failure
        try:
            yield
        except (*_UNAVAILABLE, *_NO_LOGIN) as failure:
            self._failures.append(failure)
            raise

    def read_issuers(self, record: Record) -> None:
        """Read the issuers now, so that ``issue`` opens no second connection for them."""
        for mount in (self.signing(record), self.trusted(record)):
            mount.issuers()

    def signing(self, record: Record) -> PKI:
        """Return the mount that signs for a record."""
        return self._mount(record.request.mount)

    def trusted(self, record: Record) -> PKI:
        """Return the mount whose roots go into ca.pem."""
        return self._mount(record.trust_mount or record.request.mount)

    def bundle(self, record: Record) -> tuple[Certificate, ...]:
        """Return the roots for ca.pem; raises what ``issuers.trust_bundle`` raises."""
        mount = self.trusted(record)
        return issuers.trust_bundle(mount.mount, load_all(mount.issuers()), self._clock())

    def default_issuer(self, record: Record) -> Certificate:
        """Return the default issuer of the mount that signs."""
        return load_certificates(self.signing(record).default_issuer())[0]

    def _mount(self, path: str) -> PKI:
        if path not in self._opened:
            self._opened[path] = self._open(path)
        return self._opened[path]
