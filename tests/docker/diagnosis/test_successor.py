"""Whether a daemon serves the certificate installed on its host, or an older one."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from dockertls_vault.docker.diagnosis.checks import Check
from dockertls_vault.docker.diagnosis.remedies import RESTART_HERE
from dockertls_vault.docker.diagnosis.report import Result
from dockertls_vault.docker.diagnosis.successor import find_successor, restart_instead
from tests.certificates import CLIENT_AUTH, SERVER_AUTH, Authority, Issued

if TYPE_CHECKING:
    from pathlib import Path

ROOT = Authority.create("root")
OTHER = Authority.create("other root")
NOW = datetime.now(UTC)


def server(
    age: float, name: str = "a.example", root: Authority = ROOT, *, common_name: str | None = None
) -> Issued:
    """Return a server certificate, valid for 7 days, that is ``age`` days old."""
    return root.issue(
        common_name or name,
        dns=[name, "localhost"],
        usages=[SERVER_AUTH],
        not_before=NOW - timedelta(days=age),
    )


NEWEST = server(1)
EARLIER = [server(2, "b.example"), server(1, "c.example", OTHER)]


def find(on_the_wire: Issued, directory: Path, *installed: Issued, is_here: bool) -> bool:
    """Tell whether the first of ``installed`` is found as the successor of the served one."""
    paths = [directory / f"{number}.pem" for number in range(len(installed))]
    for path, issued in zip(paths, installed, strict=True):
        path.write_bytes(issued.certificate_pem)
    found = find_successor(on_the_wire.certificate, paths, is_here=is_here, now=NOW)
    assert found in {None, installed[0].certificate}
    return found is not None


@pytest.mark.parametrize("is_here", [True, False])
@pytest.mark.parametrize("earlier", EARLIER)
def test_kept_generation_is_recognized(earlier: Issued, is_here: bool, tmp_path: Path) -> None:
    """Wherever it is served, and whatever its names, CA and date."""
    assert find(earlier, tmp_path, NEWEST, *EARLIER, is_here=is_here)


@pytest.mark.parametrize(
    ("on_the_wire", "is_here", "found"),
    [
        (server(3), True, True),
        (server(3), False, False),
        (NEWEST, True, False),
        (server(1), True, False),
        (server(0.5), True, False),
        (server(3, "b.example"), True, False),
        (server(3, common_name="b.example"), True, False),
        (server(3, root=OTHER), True, False),
        (ROOT.issue("a.example", usages=[CLIENT_AUTH]), True, False),
    ],
)
def test_older_certificate_counts_only_if_it_matches(
    on_the_wire: Issued, is_here: bool, found: bool, tmp_path: Path
) -> None:
    """On this host, older and equal otherwise; it must not be another daemon's."""
    assert find(on_the_wire, tmp_path, NEWEST, *EARLIER, is_here=is_here) is found


def test_expired_certificate_is_not_a_successor(tmp_path: Path) -> None:
    """A restart would not help."""
    assert not find(server(9), tmp_path, server(8), is_here=True)


@pytest.mark.timeout(60)
def test_unreadable_file_is_not_a_successor(tmp_path: Path) -> None:
    """Missing, not a certificate, or a FIFO, which is not opened."""
    wire = server(3).certificate
    (tmp_path / "text.pem").write_text("text")
    os.mkfifo(tmp_path / "fifo.pem")
    names = ("gone.pem", ".", "text.pem", "fifo.pem")
    for path in (tmp_path / name for name in names):
        assert find_successor(wire, [path], is_here=True, now=NOW) is None


@pytest.mark.parametrize(
    ("found", "after", "restarted"),
    [
        (Result.ERROR, Result.OK, True),
        (Result.WARNING, Result.OK, True),
        (Result.ERROR, Result.ERROR, False),
        (Result.OK, Result.OK, False),
    ],
)
def test_restart_is_advised_only_if_it_helps(found: Result, after: Result, restarted: bool) -> None:
    """Not if the installed certificate has the same fault."""
    judged = Check.NAME.found(found, "summary", "reason", "issue it again")
    advised = restart_instead(judged, Check.NAME.found(after, "summary"))
    assert (RESTART_HERE in str(advised.remedy)) is restarted
    assert (advised.result, advised.reason) == (found, "reason")
