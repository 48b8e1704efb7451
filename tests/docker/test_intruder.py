"""The forged certificate of a check harms nobody."""

from __future__ import annotations

import os
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from cryptography import x509

from dockertls_vault.docker import intruder
from dockertls_vault.docker.intruder import foreign_context
from dockertls_vault.docker.probe import tls_context
from tests.certificates import Authority

if TYPE_CHECKING:
    import ssl


@pytest.fixture
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the directory in which temporary ones are made."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_its_key_is_private_and_nothing_is_left(
    scratch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The directory is 0700, the files 0400 from their creation whatever the umask, then gone."""
    modes: dict[str, int] = {}
    real_open = os.open

    def spy(path: Path, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
        descriptor = real_open(path, flags, mode, dir_fd=dir_fd)
        if flags & os.O_CREAT:
            assert flags & os.O_EXCL
            modes[Path(path).name] = os.fstat(descriptor).st_mode & 0o777
            modes["directory"] = Path(path).parent.stat().st_mode & 0o777
        return descriptor

    monkeypatch.setattr(os, "open", spy)
    umask = os.umask(0)
    try:
        foreign_context(None, (), datetime.now(UTC))
    finally:
        os.umask(umask)
    assert modes == {"directory": 0o700, "cert.pem": 0o400, "key.pem": 0o400}
    assert list(scratch.iterdir()) == []


@pytest.fixture
def forged(monkeypatch: pytest.MonkeyPatch) -> list[x509.Certificate]:
    """Return the certificates that were forged, as they are."""
    found: list[x509.Certificate] = []

    def spy(*, certificate: Path, key: Path) -> ssl.SSLContext:
        found.extend(x509.load_pem_x509_certificates(certificate.read_bytes()))
        return tls_context(certificate=certificate, key=key)

    monkeypatch.setattr(intruder, "tls_context", spy)
    return found


def test_it_has_our_names_and_another_key(scratch: Path, forged: list[x509.Certificate]) -> None:
    """Only the signature can tell it from ours."""
    ours = Authority.create("our root").client("alice").certificate
    foreign_context(ours, (), datetime.now(UTC))
    assert list(scratch.iterdir()) == []
    assert (forged[0].subject, forged[0].issuer) == (ours.subject, ours.issuer)
    assert forged[0].public_key() != ours.public_key()


def test_it_is_of_a_ca_that_the_server_names(forged: list[x509.Certificate]) -> None:
    """Ours, where the server names it; else another of them, also where we have no certificate."""
    root, other = Authority.create("our root"), Authority.create("other root")
    ours, names = (
        root.client("alice").certificate,
        [other.certificate.subject, root.certificate.subject],
    )
    foreign_context(ours, names, datetime.now(UTC))
    foreign_context(ours, names[:1], datetime.now(UTC))
    foreign_context(None, names[:1], datetime.now(UTC))
    assert [certificate.issuer for certificate in forged] == [names[1], names[0], names[0]]
    assert [certificate.subject == ours.subject for certificate in forged] == [True, True, False]
