"""Our own files are checked before any connection."""

from __future__ import annotations

import contextlib
import os
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
)

from dockertls_vault.docker.diagnosis.client_credential import Credential, load
from dockertls_vault.docker.diagnosis.report import Result
from tests.certificates import CLIENT_AUTH, SERVER_AUTH, Authority, write_credential

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ROOT = Authority.create()


def load_from(directory: Path) -> Credential:
    """Load ca.pem, cert.pem and key.pem."""
    ca, cert, key = (directory / f"{name}.pem" for name in ("ca", "cert", "key"))
    return load(ca, cert, key, datetime.now(UTC))


@contextlib.contextmanager
def somebody_else(directory: Path) -> Iterator[None]:
    """Run as a user who may not enter ``directory``."""
    directory.chmod(0)
    user = os.geteuid()
    os.seteuid(user or 65534)
    try:
        yield
    finally:
        os.seteuid(user)
        directory.chmod(0o700)


def test_valid_credential_is_usable(tmp_path: Path) -> None:
    """The summary has its name, issuer and remaining validity."""
    credential = load_from(write_credential(tmp_path, ROOT.pem, ROOT.client("alice")))
    assert credential.result.result is Result.OK
    assert "CN=alice, issued by CN=test root, expires in 54m" in credential.result.summary
    assert credential.hello is not None
    assert credential.hello.roots == (ROOT.certificate,)
    assert credential.roots == (ROOT.certificate,)


def test_encrypted_key_is_refused_without_a_prompt(tmp_path: Path) -> None:
    """Docker refuses an encrypted key, too."""
    issued = ROOT.client()
    write_credential(tmp_path, ROOT.pem, issued)
    (tmp_path / "key.pem").unlink()
    encryption = BestAvailableEncryption(b"secret")
    (tmp_path / "key.pem").write_bytes(
        issued.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)
    )
    credential = load_from(tmp_path)
    assert (credential.result.result, credential.hello) == (Result.ERROR, None)
    assert "encrypted" in credential.result.summary
    assert credential.roots


def test_expired_certificate_is_an_error(tmp_path: Path) -> None:
    """The daemon would reject it."""
    expired = ROOT.issue(
        "alice",
        usages=[CLIENT_AUTH],
        not_before=datetime.now(UTC) - timedelta(days=2),
        lifetime=timedelta(days=1),
    )
    judged = load_from(write_credential(tmp_path, ROOT.pem, expired)).result
    assert judged.result is Result.ERROR
    assert "CN=alice expired" in judged.summary


def test_key_of_another_certificate_is_an_error(tmp_path: Path) -> None:
    """As after copying only one of the two files by hand."""
    write_credential(tmp_path, ROOT.pem, ROOT.client())
    (tmp_path / "key.pem").unlink()
    (tmp_path / "key.pem").write_bytes(ROOT.client().key_pem)
    credential = load_from(tmp_path)
    assert (credential.result.result, credential.hello) == (Result.ERROR, None)
    assert (
        "does not match the certificate in"
        in f"{credential.result.summary} {credential.result.reason}"
    )


def test_invalid_key_file_is_an_error(tmp_path: Path) -> None:
    """An empty file, for example, is not a key."""
    write_credential(tmp_path, ROOT.pem, ROOT.client())
    (tmp_path / "key.pem").unlink()
    (tmp_path / "key.pem").touch()
    assert "key.pem contains no private key" in load_from(tmp_path).result.summary


@pytest.mark.timeout(60)
@pytest.mark.parametrize("name", ["ca.pem", "cert.pem", "key.pem"])
@pytest.mark.parametrize("kind", ["fifo", "endless", "long"])
def test_fifo_or_endless_file_is_an_error(tmp_path: Path, name: str, kind: str) -> None:
    """Root checks other users' homes, too, and must not hang there."""
    write_credential(tmp_path, ROOT.pem, ROOT.client())
    file = tmp_path / name
    file.unlink()
    if kind == "fifo":
        os.mkfifo(file)
    elif kind == "endless":
        file.symlink_to("/dev/zero")
    else:
        file.touch()
        os.truncate(file, 1 << 40)
    credential = load_from(tmp_path)
    assert credential.result.result is Result.ERROR
    assert f"{name} is not a regular file, or is too large" in credential.result.summary


def test_all_problems_are_reported_together(tmp_path: Path) -> None:
    """Here a certificate is missing and the bundle is truncated."""
    write_credential(tmp_path, ROOT.pem[:100], ROOT.client())
    (tmp_path / "cert.pem").unlink()
    credential = load_from(tmp_path)
    assert credential.result.result is Result.ERROR
    assert "cert.pem does not exist" in credential.result.summary
    assert "ca.pem cannot be read as certificates" in credential.result.summary
    assert (credential.hello, credential.roots) == (None, ())


def test_truncated_block_after_a_certificate_is_reported(tmp_path: Path) -> None:
    """The file does contain a certificate, so the message must not deny it."""
    write_credential(tmp_path, ROOT.pem + ROOT.pem[:100], ROOT.client())
    credential = load_from(tmp_path)
    assert credential.result.result is Result.ERROR
    assert credential.result.summary.endswith(
        "ca.pem cannot be read as certificates (it has a truncated PEM block, or one that is not a "
        "certificate)"
    )


def test_unreadable_file_names_who_may_read_it(tmp_path: Path) -> None:
    """As root and as the directory's owner see it."""
    write_credential(tmp_path, ROOT.pem, ROOT.client())
    with somebody_else(tmp_path):
        credential = load_from(tmp_path)
    assert credential.result.result is Result.ERROR
    assert "no permission to read" in credential.result.summary
    assert "as its owner" in str(credential.result.remedy)


def test_expired_server_certificate_is_not_renewed_as_a_client(tmp_path: Path) -> None:
    """It is the wrong directory; issuing a client there would break the daemon."""
    expired = ROOT.issue(
        "docker",
        usages=[SERVER_AUTH],
        not_before=datetime.now(UTC) - timedelta(days=2),
        lifetime=timedelta(days=1),
    )
    judged = load_from(write_credential(tmp_path, ROOT.pem, expired)).result
    assert "is not a client certificate" in judged.summary
    assert "--certs" in str(judged.remedy)
