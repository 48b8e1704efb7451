"""Which runs of dockerd count together, for whoever asks."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from dockertls_vault.daemon import attempt, runs, supervision
from dockertls_vault.daemon.attempt import Attempt
from dockertls_vault.daemon.record import Record
from dockertls_vault.daemon.records import Records
from dockertls_vault.daemon.runs import Counted
from dockertls_vault.files import fsuid
from dockertls_vault.host import systemd
from dockertls_vault.host.journal import Runs
from tests.certificates import Authority
from tests.credentials import SERVER, install
from tests.harness.missing import as_root

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

START = datetime(2026, 11, 27, tzinfo=UTC)
NOBODY = 65534


@pytest.fixture(name="state")
def set_up_host(shared_directory: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the state directory of a host that was set up, whose present run of dockerd is "3"."""
    monkeypatch.setattr(supervision, "invocation", lambda: "3")
    monkeypatch.setattr(systemd, "properties", properties)
    vault = Authority.create("vault")
    tls = shared_directory / "tls"
    install(tls, SERVER, vault.server(), vault, at=START)
    set_up = Record(tls, (), shared_directory / "daemon.json", b"{}", original=None)
    Records(shared_directory).write(set_up)
    return shared_directory


def properties(_unit: str, _interface: str, *names: str, **_: float) -> tuple[object, ...]:
    """Return what systemd would: there is no unit file."""
    return {"FragmentPath": ("", []), "EnvironmentFiles": ([],)}[names[0]]


def note(state: Path, trust: str | None = None, after: str | None = "1") -> None:
    """Note a restart, by default one that has changed nothing of what dockerd accepts."""
    now = attempt.trust(state / "tls" / "ca.pem", state / "daemon.json", 1)
    Records(state).note(Attempt("before", "1", trust or now, after))


def test_without_systemd_there_are_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nor is there a journal then."""
    monkeypatch.setattr(supervision, "invocation", lambda: None)
    assert runs.find(tmp_path) is None


def test_earlier_run_counts_if_it_accepted_no_other_ca(state: Path) -> None:
    """So far as `daemon restart` has noted that; a restart that has not begun leaves the same."""
    assert runs.find(state) == Counted(Runs("3"))
    note(state)
    assert runs.find(state) == Counted(Runs("3", "1"))
    note(state, trust="before")
    assert runs.find(state) == Counted(Runs("3"))
    for after in (None, "3"):
        note(state, after=after)
        assert runs.find(state) == Counted(Runs("3"))
    (state / "tls" / ".dockertls" / "narrowed").unlink()
    note(state)
    assert runs.find(state) == Counted(Runs("3"))


def test_only_the_present_run_counts_without_a_set_up(state: Path) -> None:
    """Which CAs earlier ones accepted is recorded nowhere."""
    note(state)
    (state / "daemon" / "set-up.json").unlink()
    assert runs.find(state) == Counted(Runs("3"))


@as_root
def test_every_user_gets_the_same_runs(state: Path) -> None:
    """What only root may read is not needed."""
    note(state)
    assert fsuid.as_user(NOBODY, lambda: runs.find(state)) == runs.find(state)


def hide_credential(state: Path) -> Path:
    """Have only root look into the credential directory."""
    (state / "tls").chmod(0o700)
    return state / "tls" / ".dockertls"


def hide_note(state: Path) -> Path:
    """Have only root look at what was noted of ca.pem."""
    private = state / "tls" / ".dockertls"
    private.chmod(0o700)
    return private / "narrowed"


def hide_set_up(state: Path) -> Path:
    """Have only root read the set-up."""
    file = state / "daemon" / "set-up.json"
    file.chmod(0o600)
    return file


def hide_attempt(state: Path) -> Path:
    """Have only root read the last restart."""
    file = state / "daemon" / "restart.json"
    file.chmod(0o600)
    return file


def hide_configuration(state: Path) -> Path:
    """Have only root look at daemon.json."""
    (state / "etc").mkdir(mode=0o700)
    (state / "daemon.json").symlink_to("etc/daemon.json")
    note(state)
    return state / "daemon.json"


@as_root
@pytest.mark.parametrize(
    "hide",
    [hide_credential, hide_note, hide_set_up, hide_attempt, hide_configuration],
    ids=lambda hide: hide.__name__,
)
def test_user_who_may_not_look_is_told_so(hide: Callable[[Path], Path], state: Path) -> None:
    """It does not count as a file that is missing, by which dockerd seems to have changed."""
    note(state)
    where = hide(state)
    assert runs.find(state) == Counted(Runs("3", "1"))
    found = fsuid.as_user(NOBODY, lambda: runs.find(state))
    assert found == Counted(Runs("3"), f"needs root: {where}")


@as_root
def test_credential_of_docker_dind_is_looked_for_in_its_subdirectory(state: Path) -> None:
    """Only root may enter it."""
    note(state)
    (state / "tls").rename(state / "server")
    Records(state).write(Record(state, (), state / "daemon.json", b"{}", original=None))
    (state / "server").chmod(0o700)
    found = fsuid.as_user(NOBODY, lambda: runs.find(state))
    assert found == Counted(Runs("3"), f"needs root: {state / 'server' / '.dockertls'}")


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"version": 1}'])
def test_corrupt_set_up_is_not_taken_for_none(content: str, state: Path) -> None:
    """Earlier runs may count."""
    note(state)
    (state / "daemon" / "set-up.json").write_text(content)
    assert runs.find(state) == Counted(Runs("3"), f"{state / 'daemon' / 'set-up.json'} is corrupt")


def test_credential_that_is_missing_is_named(state: Path) -> None:
    """It is not known what dockerd accepts."""
    note(state)
    (state / "tls" / "ca.pem").unlink()
    found = runs.find(state)
    assert found is not None
    assert found.unread == f"there is no server credential in {state / 'tls'}"
