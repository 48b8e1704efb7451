"""``rollback`` as a user runs it: what is said, as a table, as fields and as JSON."""

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
def test_it_says_what_is_in_use_and_what_is_to_be_done(
    tmp_path: Path, record: Record, restarts: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    """A daemon has to be restarted, as after `issue server`; a client reads its files each time."""
    serials = [put(tmp_path, number, record) for number in (1, 2)]
    first, second = generations(tmp_path)
    assert run(["rollback", str(tmp_path)]) == 0
    said = capsys.readouterr()
    fields = dict(line.split("\t") for line in said.out.splitlines())
    assert (fields["in use"], fields["previous"]) == (first, second)
    assert fields["serial"] == serials[0]
    assert ("systemctl restart docker" in said.err) is restarts


def test_the_list_has_a_row_for_each(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
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


def test_the_one_in_use_needs_no_restart(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing has changed, which is said."""
    for number in (1, 2):
        put(tmp_path, number, SERVER)
    assert run(["rollback", str(tmp_path), generations(tmp_path)[1]]) == 0
    said = capsys.readouterr().err
    assert "it was already in use" in said
    assert "restart" not in said


def test_what_the_list_has_can_be_given(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Its first column is enough of a name, and there is no column for no problem."""
    for number in (1, 2):
        put(tmp_path, number)
    assert run(["rollback", str(tmp_path), "--list"]) == 0
    head, _, older = [line.split("\t") for line in capsys.readouterr().out.splitlines()]
    assert "problem" not in head
    assert run(["rollback", str(tmp_path), older[0]]) == 0
    assert (tmp_path / ".dockertls" / "current").resolve().name == generations(tmp_path)[0]


def test_both_have_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With the names of the fields that the reference has."""
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


def test_failures_end_with_their_status(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing of ours there, no such generation, none before."""
    assert run(["rollback", str(tmp_path)]) == 78
    put(tmp_path, 1)
    assert run(["rollback", str(tmp_path)]) == 78
    assert run(["rollback", str(tmp_path), "x"]) == 2
    assert "rollback" in capsys.readouterr().err


def test_an_empty_directory_is_a_variable_that_is_not_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing is done where the shell happens to be."""
    for number in (1, 2):
        put(tmp_path, number)
    monkeypatch.chdir(tmp_path)
    assert run(["rollback", ""]) == 2
    assert "empty value for DIR" in capsys.readouterr().err
    assert (tmp_path / ".dockertls" / "current").resolve().name == generations(tmp_path)[1]


def test_one_generation_is_not_listed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A name beside --list would be taken for a rollback to it, and is no filter."""
    for number in (1, 2):
        put(tmp_path, number)
    assert run(["rollback", str(tmp_path), generations(tmp_path)[0], "--list"]) == 2
    assert "omit one" in capsys.readouterr().err


def test_check_takes_no_empty_directory(capsys: pytest.CaptureFixture[str]) -> None:
    """As a rollback and --dir: it would be wherever the shell is."""
    assert run(["check", "localhost:1", "--certs", ""]) == 2
    assert "empty value for --certs" in capsys.readouterr().err


def test_a_ca_that_goes_or_comes_back_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As by `issue`; and one that was taken out on purpose is not let in without a word."""
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
