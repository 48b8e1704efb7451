"""The CAs whose clients dockerd rejects once a credential is set up."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from dockertls_vault.certificate.certificate import certificates_pem
from dockertls_vault.daemon import distrusted, served
from tests.certificates import Authority

from .test_served import CA, place

if TYPE_CHECKING:
    from pathlib import Path

NOW = datetime.now(UTC)
OLD = Authority.create("by hand")
EXPIRED = Authority.create("old", not_before=NOW - timedelta(days=9), lifetime=timedelta(days=1))


@pytest.mark.parametrize("by_flag", [True, False])
def test_each_ca_that_the_new_file_lacks_is_named(
    by_flag: bool, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """By flag or in daemon.json; those that stay, or accept nobody any more, are not."""
    old, config = tmp_path / "old ca.pem", tmp_path / "daemon.json"
    under = CA.intermediate("of ours").certificate
    trusted = (OLD.certificate, CA.certificate, under, EXPIRED.certificate)
    old.write_bytes(certificates_pem(trusted))
    given = {"tlsverify": True, "tlscacert": str(old)}
    config.write_text(json.dumps({} if by_flag else given))
    flags = ("--tlsverify", f"--tlscacert={old}") if by_flag else ()
    credential = served.load(place(tmp_path / "tls"), NOW)
    found = distrusted.find((*flags, f"--config-file={config}"), credential, NOW)
    assert [ca.subject for ca in found.cas] == ["CN=by hand"]

    found.warn(tmp_path / "tls")
    (warning,) = caplog.messages
    assert warning.startswith("the new ca.pem no longer contains CN=by hand (SHA-256 ")
    assert "once dockerd restarts, it rejects client certificates issued by this CA" in warning
    keep = f"--dir {tmp_path}/tls --also-trust '{old}' --also-trust-until DATE`"
    assert f"keep it with `sudo -E dockertls-vault issue server {keep}" in warning


@pytest.mark.parametrize("content", [None, b"no certificate"])
def test_file_that_cannot_be_read_is_no_obstacle(
    content: bytes | None, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Dockerd cannot use it either; nor does it trust anything without TLS."""
    old, none = tmp_path / "ca.pem", f"--config-file={tmp_path}/none.json"
    if content is not None:
        old.write_bytes(content)
    credential = served.load(place(tmp_path / "tls"), NOW)
    for flags in (("--tlsverify", f"--tlscacert={old}"), ()):
        found = distrusted.find((*flags, none), credential, NOW)
        assert found.cas == ()
        found.warn(tmp_path)
    assert caplog.messages == []
