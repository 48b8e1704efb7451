"""Private keys of a set-up by hand that are still on a host."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from dockertls_vault.daemon import old_keys
from tests.certificates import Authority
from tests.credentials import put

if TYPE_CHECKING:
    from pathlib import Path

NOBODY = 65534
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
    assert found.files == (tmp_path / "ca-key.pem", tmp_path / "key.pem", backup / "key.pem")


def test_what_only_root_may_read_is_named(shared_directory: Path) -> None:
    """So that no one takes it for the absence of keys."""
    key, backup = shared_directory / "key.pem", shared_directory / ".dockertls" / "backup"
    key.write_bytes(ENCRYPTED)
    backup.mkdir(parents=True)
    for path in (key, backup):
        path.chmod(0)
    user = os.geteuid()
    os.seteuid(user or NOBODY)
    try:
        found = old_keys.find([shared_directory, shared_directory / "missing"])
    finally:
        os.seteuid(user)
        backup.chmod(0o700)
    assert (found.files, found.unread) == ((), (backup, key))
