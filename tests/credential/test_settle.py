"""What remains to be done after a swap is done, or waits for its window, or is remembered."""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from dockertls_vault.credential import condition, glance, hooks, pending, settle, store
from dockertls_vault.credential.reader import locate
from dockertls_vault.credential.settle import Running, Settled
from dockertls_vault.credential.worker import by_worker
from dockertls_vault.errors import ConflictingState, Locked
from dockertls_vault.files import reading
from dockertls_vault.window import parse_window
from tests.credentials import CLIENT, DUE, generations, put, swap_by_hand
from tests.harness.missing import needs_root

if TYPE_CHECKING:
    from pathlib import Path

    from dockertls_vault.credential.condition import Condition

NOW = datetime(2026, 3, 4, 12, tzinfo=UTC)  # a Wednesday
SATURDAY = datetime(2026, 3, 7, 2, tzinfo=UTC)
RUNNING = Running({"PATH": os.environ["PATH"]}, timedelta(minutes=1))


def read(out: Path) -> Condition:
    """Read the condition of the credential in a directory, as a command does."""
    return by_worker(locate(out), condition.read)


def run(out: Path, running: Running = RUNNING, now: datetime = NOW) -> Settled:
    """Settle what is pending in a directory."""
    return settle.settle(read(out), running, now, UTC)


def writing(file: Path, text: str) -> tuple[str, ...]:
    """Return a hook that adds a line to a file."""
    return ("sh", "-c", f"echo {text} >> {file}")


def test_hooks_run_once_for_each_generation(tmp_path: Path) -> None:
    """Those of the credential precede the common ones; a rollback runs them again."""
    out, log = tmp_path / "out", tmp_path / "log"
    record = replace(CLIENT, hooks=(writing(log, "own"), writing(log, "second")))
    running = replace(RUNNING, common=(writing(log, "common"),))
    put(out, 1, record)
    assert settle.are_pending(read(out), running)
    assert run(out, running).ran == settle.commands(read(out), running)
    assert run(out, running) == Settled()
    assert log.read_text().split() == ["own", "second", "common"]
    assert read(out).hooks.serving_until == DUE.schedule.end
    put(out, 2, record)
    run(out, running)
    swap_by_hand(out, f"generations/{min(generations(out))}")
    run(out, running)
    assert log.read_text().split() == ["own", "second", "common"] * 3


def test_credential_without_hooks_has_nothing_pending(tmp_path: Path) -> None:
    """Nothing is written either."""
    put(tmp_path, 1, CLIENT)
    assert run(tmp_path) == Settled()
    assert not (tmp_path / ".dockertls" / pending.NAME).exists()


def test_failed_hook_runs_again_until_it_succeeds(tmp_path: Path) -> None:
    """The failure and what is served meanwhile are recorded."""
    out, ok = tmp_path / "out", tmp_path / "ok"
    put(out, 1, replace(CLIENT, hooks=(("test", "-e", str(ok)),)))
    failure = run(out).failure
    assert failure is not None
    assert (failure.command[0], failure.reason, failure.at) == ("test", "exit status 1", NOW)
    assert read(out).hooks.failure == failure
    assert run(out).failure == failure
    ok.touch()
    assert run(out).failure is None
    assert (read(out).hooks.failure, read(out).hooks.completed) == (None, read(out).generation)


@pytest.mark.parametrize(
    ("window", "served_until", "waits"),
    [
        (None, NOW + timedelta(hours=1), False),
        ("Sat 02:00-04:00", SATURDAY + timedelta(hours=1), True),
        ("Sat 02:00-04:00", SATURDAY, False),
        ("Sat 02:00-04:00", NOW - timedelta(hours=1), False),
        ("Wed 11:00-13:00", SATURDAY + timedelta(days=9), False),
        ("Sat 02:00-04:00", None, False),
    ],
)
def test_hooks_wait_for_their_window(
    window: str | None, served_until: datetime | None, *, waits: bool, tmp_path: Path
) -> None:
    """They do not wait if the served certificate would expire before it opens."""
    out, log = tmp_path / "out", tmp_path / "log"
    record = replace(
        CLIENT,
        hooks=(writing(log, "ran"),),
        window=None if window is None else parse_window(window),
    )
    put(out, 1, record)
    run(out)
    state = replace(read(out).hooks, serving_until=served_until)
    store.remember(read(out).place, state)
    put(out, 2, record)
    assert run(out) == (
        Settled(waiting_until=SATURDAY) if waits else Settled(ran=record.hooks or ())
    )
    assert log.read_text().split() == ["ran"] * (1 if waits else 2)
    assert settle.are_pending(read(out), RUNNING) is waits
    run(out, now=SATURDAY)
    assert log.read_text().split() == ["ran"] * 2


def test_first_hooks_wait_for_no_window(tmp_path: Path) -> None:
    """No certificate is served yet."""
    record = replace(CLIENT, hooks=(("true",),), window=parse_window("Sat 02:00-04:00"))
    put(tmp_path, 1, record)
    assert run(tmp_path).ran == (("true",),)


def test_hook_gets_variables_about_its_credential(tmp_path: Path) -> None:
    """A path may have any byte but NUL."""
    out, log = tmp_path / "o ut", tmp_path / "log"
    put(out, 1, replace(CLIENT, hooks=(("sh", "-c", f"env | grep ^DOCKERTLS_ > {log}"),)))
    run(out)
    seen = dict(line.split("=", 1) for line in log.read_text().splitlines())
    assert seen == {
        "DOCKERTLS_HOOK_CA": f"{out}/ca.pem",
        "DOCKERTLS_HOOK_CERT": f"{out}/cert.pem",
        "DOCKERTLS_HOOK_KEY": f"{out}/key.pem",
        "DOCKERTLS_HOOK_DIRECTORY": str(out),
        "DOCKERTLS_HOOK_PURPOSE": "client",
        "DOCKERTLS_HOOK_GENERATION": read(out).generation,
        "DOCKERTLS_HOOK_VALID_UNTIL": DUE.schedule.end.isoformat(),
    }


def test_root_runs_no_hook_that_an_administrator_planted(shared_directory: Path) -> None:
    """Who can write to the directory can replace the request, but not run commands as root."""
    needs_root("only root runs hooks of another user")
    log = shared_directory / "log"
    put(shared_directory, 1, replace(CLIENT, hooks=(writing(log, "planted"),)))
    os.chown(shared_directory / ".dockertls", 54321, -1)
    with pytest.raises(ConflictingState, match="belongs to 54321"):
        run(shared_directory)
    assert not log.exists()


@pytest.mark.parametrize("looks_first", [True, False])
def test_hooks_that_are_requested_meanwhile_run_too(
    looks_first: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A run that has read the former request does not settle what the new one asks for."""
    out, log, look = tmp_path / "out", tmp_path / "log", glance.look
    put(out, 1, replace(CLIENT, hooks=(writing(log, "old"),)))

    def beside(directory: str) -> object:
        monkeypatch.undo()
        if looks_first:
            found = look(directory)
            put(out, 2, replace(CLIENT, hooks=(writing(log, "new"),)))
            return found
        put(out, 2, replace(CLIENT, hooks=(writing(log, "new"),)))
        return look(directory)

    monkeypatch.setattr(glance, "look", beside)
    run(out)
    run(out)
    assert log.read_text().split()[-1] == "new"


def test_one_run_at_a_time_renews_a_credential(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second run fails with Locked; a swap does not take this lock."""
    monkeypatch.setattr(store, "LOCK_WAIT", 0.1)
    put(tmp_path, 1, CLIENT)
    place = locate(tmp_path)
    with store.renewing(place):
        with pytest.raises(Locked), store.renewing(place):
            pass
        put(tmp_path, 2, CLIENT)
    with store.renewing(place):
        pass


def test_state_of_hooks_is_not_part_of_a_generation(tmp_path: Path) -> None:
    """It is beside the request, and readable by all."""
    put(tmp_path, 1, replace(CLIENT, hooks=(("true",),)))
    run(tmp_path)
    with reading.opened(str(tmp_path / ".dockertls")) as private:
        assert hooks.read(private).completed == read(tmp_path).generation
    assert (tmp_path / ".dockertls" / pending.NAME).stat().st_mode & 0o777 == 0o444
