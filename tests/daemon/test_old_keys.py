"""Private keys of a set-up by hand that are still on a host."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dockertls_vault.daemon import old_keys
from tests.certificates import Authority
from tests.credentials import put

if TYPE_CHECKING:
    from pathlib import Path

ENCRYPTED = b"-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIIB\n-----END ENCRYPTED PRIVATE KEY-----\n"


def test_keys_of_the_old_page_are_found(tmp_path: Path) -> None:
    """Also behind a passphrase, and in the backup of `--replace`; none of ours, and no other."""
    ca = Authority.create()
    put(tmp_path / "tls", 1)
    backup = tmp_path / "tls" / ".dockertls" / "backup" / "20260101T000000Z"
    backup.mkdir(parents=True)
    for path, content in {
        tmp_path / "ca-key.pem": ENCRYPTED,
        tmp_path / "key.pem": ca.client().key_pem,
        tmp_path / "ca.pem": ca.pem,
        tmp_path / "notes.txt": ENCRYPTED,
        backup / "key.pem": ca.client().key_pem,
    }.items():
        path.write_bytes(content)
    (tmp_path / "link.pem").symlink_to("key.pem")
    (tmp_path / "fifo.pem").mkdir()
    found = old_keys.find([tmp_path, tmp_path / "tls", tmp_path / "missing"])
    assert found == (tmp_path / "ca-key.pem", tmp_path / "key.pem", backup / "key.pem")
