"""The metrics that Prometheus gets from the status."""

from __future__ import annotations

import os
import re
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml  # type: ignore[import-untyped]  # no stubs for one call
from prometheus_client.parser import text_string_to_metric_families

from dockertls_vault import metrics
from dockertls_vault.certificate.certificate import describe
from dockertls_vault.certificate.request import Purpose
from dockertls_vault.credential.hooks import Failure
from dockertls_vault.credential.settle import Pending
from dockertls_vault.docker.diagnosis.wire import NOT_ASKED, Presented, Wire
from dockertls_vault.errors import CannotWrite
from dockertls_vault.findings import Severity
from dockertls_vault.status import CredentialStatus, Status

from .certificates import Authority
from .checkout import ROOT as CHECKOUT
from .credentials import listing

if TYPE_CHECKING:
    from collections.abc import Callable

NOW = datetime(2026, 3, 1, tzinfo=UTC)
WEEK = timedelta(days=7)
CERTIFICATE = describe(
    Authority.create().issue("a.example", not_before=NOW, lifetime=WEEK).certificate
)
GUIDE = (CHECKOUT / "docs" / "how-to" / "monitor.md").read_text()
SERVER = CredentialStatus(
    Path("/etc/docker/tls"),
    Severity.WARNING,
    (),
    purpose=Purpose.SERVER,
    certificate=CERTIFICATE,
    issued_at=NOW,
    valid_until=NOW + WEEK,
    renewal_due=NOW + WEEK / 2,
    damaged=False,
    pending_hooks=Pending(None, Failure("1", ("true",), "timed out", NOW)),
    wire=Wire(Presented.REPLACED, "tcp://h:2376", CERTIFICATE),
)
UNKNOWN = CredentialStatus(Path("/home/alice/.docker"), Severity.UNKNOWN, ())
CLIENT = CredentialStatus(
    Path("/home/bob/.docker"), Severity.OK, (), purpose=Purpose.CLIENT, damaged=True
)


def written(path: Path, *credentials: CredentialStatus) -> dict[tuple[str, str, str], float]:
    """Write the metrics; return each value by its name, directory and purpose."""
    metrics.write(Status(Severity.OK, credentials), path, NOW)
    return {
        (
            sample.name.removeprefix("dockertls_vault_"),
            sample.labels.get("directory", ""),
            sample.labels.get("purpose", ""),
        ): sample.value
        for family in text_string_to_metric_families(path.read_text())
        for sample in family.samples
    }


def test_every_value_can_be_read_back(tmp_path: Path) -> None:
    """An unknown value has no sample."""
    server, client = ("/etc/docker/tls", "server"), ("/home/bob/.docker", "client")
    assert written(tmp_path / "d.prom", SERVER, UNKNOWN, CLIENT) == {
        ("severity", *server): 1,
        ("severity", "/home/alice/.docker", ""): 3,
        ("severity", *client): 0,
        ("damaged", *server): 0,
        ("damaged", *client): 1,
        ("certificate_not_before_timestamp_seconds", *server): NOW.timestamp(),
        ("certificate_not_after_timestamp_seconds", *server): (NOW + WEEK).timestamp(),
        ("certificate_renewal_due_timestamp_seconds", *server): (NOW + WEEK / 2).timestamp(),
        ("hooks_pending", *server): 1,
        ("hooks_pending", *client): 0,
        ("hook_failed", *server): 1,
        ("hook_failed", *client): 0,
        ("wire_matches", *server): 0,
        ("wire_not_after_timestamp_seconds", *server): (NOW + WEEK).timestamp(),
        ("status_timestamp_seconds", "", ""): NOW.timestamp(),
    }


@pytest.mark.parametrize(
    ("wire", "matches"),
    [
        (Wire(Presented.SAME, "tcp://h:2376", CERTIFICATE), 1),
        (Wire(Presented.OTHER, "tcp://h:2376", CERTIFICATE), 0),
        (Wire(Presented.UNREACHABLE, "tcp://h:2376"), None),
        (NOT_ASKED, None),
    ],
)
def test_wire_matches_only_has_a_sample_if_a_certificate_was_seen(
    wire: Wire, matches: int | None, tmp_path: Path
) -> None:
    """A daemon that is not running is no mismatch."""
    credential = CredentialStatus(Path("/d"), Severity.OK, (), purpose=Purpose.SERVER, wire=wire)
    assert written(tmp_path / "d.prom", credential).get(("wire_matches", "/d", "server")) == matches


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ('a"b\\c\nd', 'a"b\\c\nd'),
        ("ümlaut", "ümlaut"),
        (os.fsdecode(b"latin\xfc"), "latin\\xfc"),
    ],
)
def test_any_directory_name_makes_a_valid_file(name: str, label: str, tmp_path: Path) -> None:
    """It may have quotes, newlines, and bytes that are not UTF-8."""
    path = tmp_path / "d.prom"
    credential = CredentialStatus(Path(f"/{name}"), Severity.OK, ())
    assert ("severity", f"/{label}", "") in written(path, credential)


def test_file_is_readable_by_all(tmp_path: Path) -> None:
    """The umask does not matter."""
    path = tmp_path / "d.prom"
    umask = os.umask(0o077)
    try:
        assert written(path)
    finally:
        os.umask(umask)
    assert stat.S_IMODE(path.stat().st_mode) == 0o644


def test_old_file_stays_if_the_new_one_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No unfinished file is left."""
    path = tmp_path / "d.prom"
    path.write_text("old")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(CannotWrite, match="No space left on device"):
        written(path)
    assert path.read_text() == "old"
    assert listing(tmp_path) == ["d.prom"]


def _nowhere(path: Path) -> Path:
    return path / "missing" / "d.prom"


def _directory(path: Path) -> Path:
    return path


def _no_name(path: Path) -> Path:  # noqa: ARG001 - all have the same parameter
    return Path("/")


@pytest.mark.parametrize("of", [_nowhere, _directory, _no_name])
def test_file_must_be_in_a_directory_that_exists(
    of: Callable[[Path], Path], tmp_path: Path
) -> None:
    """The directory is not created, since nothing would read the file."""
    with pytest.raises(CannotWrite) as failure:
        written(of(tmp_path))
    assert "--collector.textfile.directory" in failure.value.hint
    assert listing(tmp_path) == []


def test_guide_lists_every_metric(tmp_path: Path) -> None:
    """It lists no others, and its alerting rules use only these."""
    written(tmp_path / "d.prom", SERVER)
    known = re.findall(r"^# TYPE (\w+) gauge$", (tmp_path / "d.prom").read_text(), re.MULTILINE)
    listed = re.findall(r"^\| `(dockertls_vault_\w+)` \|", GUIDE, re.MULTILINE)
    assert listed == known
    (text,) = re.findall(r"^```yaml\n(.*?)^```$", GUIDE, re.DOTALL | re.MULTILINE)
    (group,) = yaml.safe_load(text)["groups"]
    used = [re.findall(r"dockertls_vault_\w+", rule["expr"]) for rule in group["rules"]]
    assert all(used)
    assert {name for names in used for name in names} <= set(known)
    assert all({"alert", "expr", "labels", "annotations"} <= set(rule) for rule in group["rules"])
