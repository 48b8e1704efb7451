"""A host with one credential, whose clock, names and Vault are what a test says."""

from __future__ import annotations

import os
import secrets
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from dockertls_vault import needs_renewal
from dockertls_vault.certificate.certificate import load_certificates, serial_text
from dockertls_vault.certificate.names import Names
from dockertls_vault.certificate.request import KeyType, Purpose, Request
from dockertls_vault.certificate.threshold import parse_threshold
from dockertls_vault.credential.layout import Layout
from dockertls_vault.credential.record import Record
from dockertls_vault.credential.registry import Registry
from dockertls_vault.credential.settle import Running
from dockertls_vault.issue import issue
from dockertls_vault.renew import Renewal, renew
from dockertls_vault.renewal.mounts import Mounts
from dockertls_vault.renewal.reasons import Policy
from dockertls_vault.vault.pki import PKI

from . import mounts

if TYPE_CHECKING:
    from pathlib import Path

    from dockertls_vault.credential.causes import Reason
    from dockertls_vault.needs_renewal import Answer
    from dockertls_vault.vault.session import Session

    from .harness.openbao import DevVault

HOST = Names(("a.example.internal", "localhost"), ("10.0.0.1",))
SERVER = Record(
    Request(
        purpose=Purpose.SERVER,
        mount="dockertls",
        role="server",
        names=HOST,
        common_name="a.example.internal",
        ttl=timedelta(days=7),
        key_type=KeyType.EC_P256,
    ),
    Layout.DOCKER,
)


class Host:
    """A host with one credential in ``out``, whose clock and names are what a test says."""

    def __init__(self, session: Session, mount: str, out: Path) -> None:
        self.session = session
        self.mount = mount
        self.out = out
        self.registry = Registry(out.parent / "state")
        self.ahead = timedelta()
        self.names = HOST
        self.hook_timeout = timedelta(minutes=1)

    def clock(self) -> datetime:
        """Return the time on this host."""
        return datetime.now(UTC) + self.ahead

    def record(self, record: Record = SERVER) -> Record:
        """Return a record for the mount of this test."""
        return replace(record, request=replace(record.request, mount=self.mount))

    def issue(self, record: Record = SERVER) -> None:
        """Install the first certificate."""
        record, pki = self.record(record), PKI(self.session, self.mount)
        trust = PKI(self.session, record.trust_mount) if record.trust_mount else pki
        place = record.place(self.out)
        self.registry.vouch(place.directory, record)
        issue(
            record,
            place,
            signer=pki,
            trust=trust,
            drop_refused_names=False,
            replace_files=False,
            clock=self.clock,
        )

    def renew(self, *, force: bool = False, expires_in: str | None = None) -> Renewal:
        """Do one run, as a process of its own would."""
        threshold = None if expires_in is None else parse_threshold(expires_in)
        return renew(
            self.out,
            Policy(lambda: self.names, threshold, force=force),
            Running({"PATH": os.environ["PATH"]}, self.hook_timeout),
            Mounts(lambda path: PKI(self.session, path), self.clock),
            registry=self.registry,
            admins=None,
            clock=self.clock,
        )

    def needs_renewal(self, later: timedelta = timedelta()) -> Answer:
        """Return the answer of `needs-renewal`, some time later."""
        places = needs_renewal.Host(str(self.out.parent / "state"))
        return needs_renewal.of_credential(str(self.out), places, self.clock() + later)

    def reasons(self, **options: object) -> set[Reason]:
        """Return why one run renews."""
        return {cause.reason for cause in self.renew(**options).causes}  # type: ignore[arg-type]

    def files(self) -> tuple[bytes, bytes, bytes]:
        """Return ca.pem, the certificate and the key."""
        names = ("ca.pem", "server-cert.pem", "server-key.pem")
        ca, cert, key = ((self.out / name).read_bytes() for name in names)
        return ca, cert, key

    def serial(self) -> str:
        """Return the serial of the certificate in use."""
        return serial_text(load_certificates(self.files()[1])[0])


@pytest.fixture
def host(vault_server: DevVault, session: Session, tmp_path: Path) -> Host:
    """Return a host whose mount no other test has."""
    mount = f"pki-{secrets.token_hex(4)}"
    mounts.init(vault_server, mount)
    return Host(session, mount, tmp_path / "tls")
