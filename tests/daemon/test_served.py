"""The credential that dockerd is to serve."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.x509.oid import ExtendedKeyUsageOID

from dockertls_vault.daemon import served
from dockertls_vault.errors import ConflictingState, VerificationError
from tests.certificates import SERVER_AUTH, Authority, write_credential
from tests.harness.missing import as_root

if TYPE_CHECKING:
    from pathlib import Path

CA = Authority.create()
NOW = datetime.now(UTC)
CLIENT_AUTH = ExtendedKeyUsageOID.CLIENT_AUTH
DAY = timedelta(days=1)


def place(directory: Path, **issued: Any) -> Path:
    """Write a server credential with dockerd's names, and return its directory."""
    asked: dict[str, Any] = {
        "usages": [SERVER_AUTH],
        "not_before": NOW - DAY,
        "lifetime": 2 * DAY,
    } | issued
    leaf = CA.issue("a", dns=["a"], **asked)
    write_credential(directory, CA.pem, leaf)
    for name in ("cert.pem", "key.pem"):
        (directory / name).rename(directory / f"server-{name}")
    return directory


def test_public_paths_are_served(tmp_path: Path) -> None:
    """They stay the same when a renewal swaps what they lead to; also in the layout dind."""
    found = served.load(place(tmp_path / "a"), NOW)
    names = ("ca.pem", "server-cert.pem", "server-key.pem")
    assert found.paths == tuple(tmp_path / "a" / name for name in names)
    assert found.roots == (CA.certificate,)
    leaf = CA.issue("a", usages=[SERVER_AUTH], not_before=NOW - DAY, lifetime=2 * DAY)
    write_credential(tmp_path / "server", CA.pem, leaf)
    assert served.load(tmp_path, NOW).paths[1] == tmp_path / "server" / "cert.pem"


@pytest.mark.parametrize(
    ("issued", "problem"),
    [
        ({"not_before": NOW - 2 * DAY, "lifetime": DAY}, "it expired at"),
        ({"not_before": NOW + DAY}, "it is not valid before"),
        ({"usages": [SERVER_AUTH, CLIENT_AUTH]}, "it is valid for clients too"),
        ({"usages": None}, "no extended key usage"),
        ({"usages": [CLIENT_AUTH]}, "serverAuth is missing"),
        ({"public_key": CA.key.public_key()}, "its key does not match"),
    ],
)
def test_unusable_certificate(tmp_path: Path, issued: dict[str, Any], problem: str) -> None:
    """Dockerd would serve most of them without a word."""
    with pytest.raises(VerificationError) as refused:
        served.load(place(tmp_path, **issued), NOW)
    assert problem in refused.value.problems[0]


@pytest.mark.parametrize("name", ["ca.pem", "server-cert.pem", "server-key.pem"])
def test_incomplete_credential(tmp_path: Path, name: str) -> None:
    """A file is missing, or holds something else."""
    path = place(tmp_path) / name
    path.unlink()
    with pytest.raises(ConflictingState, match="there is no server credential") as refused:
        served.load(tmp_path, NOW)
    assert f"issue server --dir {tmp_path}`" in str(refused.value.hint)
    path.write_text("nothing")
    with pytest.raises((ConflictingState, VerificationError)):
        served.load(tmp_path, NOW)


@pytest.mark.parametrize(
    ("name", "mode", "problem"),
    [
        ("", 0o757, "can be written by every user"),
        ("a", 0o757, "can be written by every user"),
        ("a/ca.pem", 0o646, "ca.pem can be written by every user"),
        ("elsewhere", 0o757, "elsewhere can be written by every user"),
    ],
)
def test_others_must_not_replace_it(tmp_path: Path, name: str, mode: int, problem: str) -> None:
    """Neither the files nor a directory on the way to them or to where a link leads."""
    directory = place(tmp_path / "a")
    (tmp_path / "elsewhere").mkdir()
    for each in directory.iterdir():
        each.chmod(0o400)
    key = (directory / "server-key.pem").rename(tmp_path / "elsewhere" / "key.pem")
    (directory / "server-key.pem").symlink_to(key)
    found = served.load(directory, NOW)
    served.refuse_others(found)
    (tmp_path / name).chmod(mode)
    with pytest.raises(ConflictingState) as refused:
        served.refuse_others(found)
    assert [problem in each for each in refused.value.problems] == [True]


@as_root
def test_others_must_not_own_it(tmp_path: Path) -> None:
    """The owner of a file or directory can always change it."""
    found = served.load(place(tmp_path / "a"), NOW)
    os.chown(tmp_path / "a" / "ca.pem", 12345, 12345)
    found.paths[1].chmod(0o622)
    with pytest.raises(ConflictingState, match="others could replace the credential") as refused:
        served.refuse_others(found)
    assert refused.value.problems == (
        f"{tmp_path}/a/ca.pem belongs to 12345",
        f"{tmp_path}/a/server-cert.pem can be written by every user",
    )


@pytest.mark.parametrize("name", ["daemon.json", "etc", "etc/missing", "link"])
def test_others_must_not_change_the_configuration(tmp_path: Path, name: str) -> None:
    """Neither the files, nor a directory in which one is, or could be created."""
    folder = tmp_path / "etc"
    folder.mkdir()
    (tmp_path / "link").symlink_to(folder / "target")
    files = [tmp_path / "daemon.json", folder / "target"]
    for each in files:
        each.touch(mode=0o644)
    asked = tmp_path / name
    served.refuse_writers([*files, asked])
    exposed = {"daemon.json": files[0], "link": files[1]}.get(name, folder)
    exposed.chmod(0o757)
    with pytest.raises(ConflictingState, match="others can change the configuration") as refused:
        served.refuse_writers([folder / "target" if name == "etc" else asked])
    assert refused.value.problems == (f"{exposed} can be written by every user",)
