"""``rollback`` as a user runs it: as a table, as fields and as JSON."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from dockertls_vault.cli.main import run
from tests.certificates import Authority
from tests.credentials import CLIENT, SERVER, generations
from tests.test_rollback import put

if TYPE_CHECKING:
    from pathlib import Path

    from dockertls_vault.credential.record import Record


@pytest.mark.parametrize(("record", "restarts"), [(SERVER, True), (CLIENT, False)])
def test_rollback_says_what_is_in_use_and_what_to_restart(
    tmp_path: Path, record: Record, restarts: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    """A daemon must be restarted; a client reads its files each time."""
    serials = [put(tmp_path, number, record) for number in (1, 2)]
    first, second = generations(tmp_path)
    assert run(["rollback", str(tmp_path)]) == 0
    said = capsys.readouterr()
    fields = dict(line.split("\t") for line in said.out.splitlines())
    assert (fields["in use"], fields["previous"]) == (first, second)
    assert fields["serial"] == serials[0]
    assert ("restart it to use the new certificate" in said.err) is restarts


def test_list_has_a_row_per_generation(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The one in use is marked, and nothing is changed."""
    for number in (1, 2):
        put(tmp_path, number)
    first, second = generations(tmp_path)
    (tmp_path / ".dockertls" / "generations" / first / "cert.pem").unlink()
    assert run(["rollback", str(tmp_path), "--list"]) == 0
    head, *rows = [line.split("\t") for line in capsys.readouterr().out.splitlines()]
    assert head == ["generation", "in use", "names", "issuer", "valid until", "problem"]
    assert [row[:3] for row in rows] == [
        [second.partition("-")[0], "yes", "CN=client2"],
        [first.partition("-")[0], "no", ""],
    ]
    assert rows[1][-1] == "it lacks cert.pem"


def test_rollback_to_the_generation_in_use_needs_no_restart(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It says that nothing changed."""
    for number in (1, 2):
        put(tmp_path, number, SERVER)
    assert run(["rollback", str(tmp_path), generations(tmp_path)[1]]) == 0
    said = capsys.readouterr().err
    assert "this generation is already in use; nothing changed" in said
    assert "restart" not in said


def test_first_column_of_the_list_is_accepted_as_a_generation(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """There is no column for problems if there are none."""
    for number in (1, 2):
        put(tmp_path, number)
    assert run(["rollback", str(tmp_path), "--list"]) == 0
    head, _, older = [line.split("\t") for line in capsys.readouterr().out.splitlines()]
    assert "problem" not in head
    assert run(["rollback", str(tmp_path), older[0]]) == 0
    assert (tmp_path / ".dockertls" / "current").resolve().name == generations(tmp_path)[0]


def test_rollback_and_list_have_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Both use the field names of the reference."""
    for number in (0, 1):
        put(tmp_path, number, SERVER)
    first, second = generations(tmp_path)
    assert run(["rollback", str(tmp_path), "--list", "-o", "json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert listed["kind"] == "generations"
    assert [each["name"] for each in listed["data"]["generations"]] == [second, first]
    assert run(["rollback", str(tmp_path), first, "-o", "json", "-q"]) == 0
    done = json.loads(capsys.readouterr().out)
    assert (done["kind"], done["ok"]) == ("rollback", True)
    assert listed["data"]["layout"] == done["data"]["layout"] == "docker"
    assert done["data"]["previous"] == second
    assert done["data"]["generation"] == {**listed["data"]["generations"][1], "in_use": True}
    assert "expired at" in done["warnings"][0]


def test_each_failure_has_its_status(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """No credential of ours, no such generation, no earlier one."""
    assert run(["rollback", str(tmp_path)]) == 78
    put(tmp_path, 1)
    assert run(["rollback", str(tmp_path)]) == 78
    assert run(["rollback", str(tmp_path), "x"]) == 2
    assert "rollback" in capsys.readouterr().err


@pytest.mark.parametrize("options", [[], ["--list"]])
def test_missing_directory_is_named(
    options: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is a typo more often than a directory that never had a credential."""
    missing = tmp_path / "nosuch"
    assert run(["rollback", str(missing), *options]) == 78
    assert f"error: the directory {missing} does not exist\n" in capsys.readouterr().err


def test_empty_directory_argument_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """From an unset variable; it must not mean the working directory."""
    for number in (1, 2):
        put(tmp_path, number)
    monkeypatch.chdir(tmp_path)
    assert run(["rollback", ""]) == 2
    assert "empty value for DIR" in capsys.readouterr().err
    assert (tmp_path / ".dockertls" / "current").resolve().name == generations(tmp_path)[1]


def test_list_takes_no_generation(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The name is not a filter, and looks like a request to roll back."""
    for number in (1, 2):
        put(tmp_path, number)
    assert run(["rollback", str(tmp_path), generations(tmp_path)[0], "--list"]) == 2
    assert "omit one" in capsys.readouterr().err


def test_check_refuses_an_empty_directory(capsys: pytest.CaptureFixture[str]) -> None:
    """It would mean the working directory."""
    assert run(["check", "localhost:1", "--certs", ""]) == 2
    assert "empty value for --certs" in capsys.readouterr().err


def test_changes_of_the_trusted_cas_are_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As by `issue`; a CA that was removed on purpose does not return silently."""
    put(tmp_path, 1, SERVER)
    monkeypatch.setattr("tests.test_rollback.ROOT", Authority.create("new root"))
    put(tmp_path, 2, SERVER)
    assert run(["rollback", str(tmp_path), "-q", "-o", "json"]) == 0
    said = capsys.readouterr()
    data = json.loads(said.out)["data"]
    assert [ca["subject"] for ca in data["removed_cas"]] == ["CN=new root"]
    assert [ca["subject"] for ca in data["restored_cas"]] == ["CN=rollback root"]
    assert "the new ca.pem no longer contains CN=new root" in said.err
    assert "contains CN=rollback root" in said.err
    assert "it is now trusted again" in said.err
