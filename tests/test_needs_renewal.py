"""Whether a renewal is due, from files alone."""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from dockertls_vault.certificate.schedule import Schedule
from dockertls_vault.cli import main
from dockertls_vault.credential import condition, settle, store
from dockertls_vault.credential.due import Due
from dockertls_vault.credential.layout import Layout
from dockertls_vault.credential.reader import locate
from dockertls_vault.credential.registry import Registry
from dockertls_vault.credential.settle import Running
from dockertls_vault.credential.state import LOOK
from dockertls_vault.credential.worker import by_worker
from dockertls_vault.needs_renewal import Answer, Host, Need, of_credential, of_host, overall
from dockertls_vault.window import parse_window
from tests.credentials import CLIENT, SERVER, generations, material, swap_by_hand
from tests.harness.missing import needs_root
from tests.mounts import lead_to

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from dockertls_vault.credential.record import Record
    from tests.harness.openbao import DevVault

ISSUED = datetime(2026, 3, 4, 12, tzinfo=UTC)  # a Wednesday
SCHEDULE = Schedule(ISSUED, ISSUED + timedelta(days=4), ISSUED + timedelta(days=7))
HOUR = timedelta(hours=1)
HOOK = (("true",),)
RUNNING = Running({"PATH": os.environ["PATH"]}, timedelta(minutes=1))


def install(out: Path, record: Record = CLIENT, number: int = 1) -> None:
    """Install a credential that is due four days after ISSUED."""
    installed = replace(material(number), due=Due(SCHEDULE))
    now = ISSUED + timedelta(seconds=number)
    store.install(record.place(out), installed, record, replace=False, now=now)


def ask(out: Path, now: datetime = ISSUED + HOUR, hooks: tuple[str, ...] = ()) -> Answer:
    """Ask about one credential, an hour after it was issued if nothing else is given."""
    return of_credential(str(out), Host(f"{out}/state", hooks), now)


@pytest.mark.parametrize(
    "record",
    [CLIENT, SERVER, replace(CLIENT, layout=Layout.DIND)],
    ids=["client", "server", "dind"],
)
def test_new_credential_is_not_due(record: Record, tmp_path: Path) -> None:
    """This holds for each layout, and for the parent directory of dind's."""
    install(tmp_path, record)
    answer = ask(tmp_path)
    assert (answer.need, answer.reason, answer.due) == (
        Need.NOT_DUE,
        "not due before 2026-03-08 12:00:00 UTC",
        SCHEDULE.due,
    )


@pytest.mark.parametrize(
    ("after", "reason"),
    [
        (timedelta(days=4), "due since 2026-03-08 12:00:00 UTC"),
        (timedelta(days=7), "expired at 2026-03-11 12:00:00 UTC"),
        (-HOUR, "issued at 2026-03-04 12:00:00 UTC, in the future"),
    ],
)
def test_credential_is_due_by_its_schedule(after: timedelta, reason: str, tmp_path: Path) -> None:
    """The reason is that of `renew`."""
    install(tmp_path)
    answer = ask(tmp_path, ISSUED + after)
    assert (answer.need, answer.reason) == (Need.NEEDED, reason)


def _lose_key(out: Path) -> None:
    (out / "key.pem").resolve().unlink()


def _open_key(out: Path) -> None:
    (out / "key.pem").resolve().chmod(0o444)


def _replace_link(out: Path) -> None:
    (out / "cert.pem").unlink()
    (out / "cert.pem").write_text("another")


def _roll_back(out: Path) -> None:
    install(out, number=2)
    swap_by_hand(out, f"generations/{min(generations(out))}")


def _dangle(out: Path) -> None:
    swap_by_hand(out, "generations/nowhere")


def _lose_due(out: Path) -> None:
    (out / ".dockertls" / "due.json").unlink()


def _plant_link(out: Path) -> None:
    _lose_due(out)
    (out / ".dockertls" / "due.json").symlink_to("/dev/zero")


@pytest.mark.parametrize(
    ("harm", "reason"),
    [
        (_lose_key, "key.pem is missing"),
        (_open_key, "has mode 0444, not 0400"),
        (_replace_link, "cert.pem was replaced"),
        (_dangle, "no generation is in use"),
        (_roll_back, "not known yet"),
        (_lose_due, "not known yet"),
        (_plant_link, "not known yet"),
    ],
)
def test_damaged_or_unknown_credential_needs_a_renewal(
    harm: Callable[[Path], None], reason: str, tmp_path: Path
) -> None:
    """`renew` replaces it, or reads the certificate and records when it is due."""
    install(tmp_path)
    harm(tmp_path)
    answer = ask(tmp_path)
    assert answer.need is Need.NEEDED
    assert reason in answer.reason


def _corrupt(out: Path) -> None:
    request = out / ".dockertls" / "request.json"
    request.unlink()
    request.write_text("{}")


def _lose_request(out: Path) -> None:
    (out / ".dockertls" / "request.json").unlink()


@pytest.mark.parametrize(
    ("harm", "reason"),
    [
        (_corrupt, r"request.json is corrupt"),
        (_lose_request, r"request.json, which describes the credential, is missing"),
    ],
)
def test_corrupt_request_is_an_error(
    harm: Callable[[Path], None], reason: str, tmp_path: Path
) -> None:
    """The hint says what to do."""
    install(tmp_path)
    harm(tmp_path)
    answer = ask(tmp_path)
    assert answer.need is Need.ERROR
    assert reason in answer.reason
    assert answer.hint


@pytest.mark.timeout(30)
def test_fifo_is_not_waited_for(tmp_path: Path) -> None:
    """The owner of one directory cannot block root's timer for the others."""
    install(tmp_path)
    for name in ("due.json", "hooks.json"):
        (tmp_path / ".dockertls" / name).unlink(missing_ok=True)
        os.mkfifo(tmp_path / ".dockertls" / name)
    assert ask(tmp_path).need is Need.NEEDED


def test_directory_without_a_credential_is_missing(tmp_path: Path) -> None:
    """So is one that does not exist."""
    assert ask(tmp_path).need is Need.MISSING
    assert ask(tmp_path / "nowhere").need is Need.MISSING


def test_one_of_two_credentials_must_be_named(tmp_path: Path) -> None:
    """The hint names both."""
    for record in (CLIENT, SERVER):
        install(tmp_path, replace(record, layout=Layout.DIND))
    answer = ask(tmp_path)
    assert (answer.need, answer.hint) == (
        Need.ERROR,
        f"name one of them: {tmp_path}/server or {tmp_path}/client",
    )


def test_unreadable_credential_is_an_error(tmp_path: Path) -> None:
    """It does not count as missing."""
    needs_root("only root can become another user")
    install(tmp_path / "of" / "root")
    (tmp_path / "of").chmod(0o700)
    os.seteuid(65534)
    try:
        answer = ask(tmp_path / "of" / "root")
    finally:
        os.seteuid(0)
    assert (answer.need, answer.reason) == (Need.ERROR, "cannot be read: Permission denied")


def settled(out: Path) -> None:
    """Run the hooks of the generation in use."""
    settle.settle(by_worker(locate(out), condition.read), RUNNING, ISSUED)


def test_hooks_that_never_ran_are_pending(tmp_path: Path) -> None:
    """This includes the common ones; hidden and non-executable files are skipped."""
    own, other, folder = tmp_path / "own", tmp_path / "other", tmp_path / "hooks.d"
    hooks = (str(tmp_path / "missing"), str(folder))
    install(own, replace(CLIENT, hooks=HOOK))
    install(other)
    folder.mkdir()
    (folder / ".hidden").write_text("#!/bin/sh")
    (folder / ".hidden").chmod(0o755)
    (folder / "readme").write_text("not executable")
    assert (ask(own, hooks=hooks).need, ask(own, hooks=hooks).reason) == (
        Need.NEEDED,
        "hooks are pending",
    )
    assert ask(other, hooks=hooks).need is Need.NOT_DUE
    (folder / ".hidden").rename(folder / "hook")
    assert ask(other, hooks=hooks).need is Need.NEEDED
    settled(own)
    assert ask(own, hooks=hooks).need is Need.NOT_DUE


@pytest.mark.parametrize(
    ("now", "need"),
    [
        (datetime(2026, 3, 5, 12, tzinfo=UTC), Need.NOT_DUE),
        (datetime(2026, 3, 7, 2, 30, tzinfo=UTC), Need.NEEDED),
    ],
)
def test_pending_hooks_wait_for_their_window(
    now: datetime, need: Need, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Until then, the daemon serves the certificate for which they last ran."""
    monkeypatch.setenv("TZ", "UTC")
    record = replace(CLIENT, hooks=HOOK, window=parse_window("Sat 02:00-04:00"))
    install(tmp_path, record)
    assert ask(tmp_path).need is Need.NEEDED
    settled(tmp_path)
    install(tmp_path, record, number=2)
    assert ask(tmp_path, now).need is need


def test_answer_is_for_all_known_credentials(tmp_path: Path) -> None:
    """A single one that needs a renewal is enough."""
    state, registry = Host(str(tmp_path / "state")), Registry(tmp_path / "state")
    now = ISSUED + HOUR
    (nothing,) = of_host(state, now)
    assert (nothing.need, nothing.reason) == (
        Need.MISSING,
        "no credential is known on this host",
    )
    for name in ("a", "b"):
        install(tmp_path / name)
        registry.add(tmp_path / name)
    registry.looked(now)
    assert [answer.need for answer in of_host(state, now)] == [Need.NOT_DUE] * 2
    _open_key(tmp_path / "b")
    assert overall(of_host(state, now)) is Need.NEEDED


@pytest.mark.parametrize(
    ("ago", "need"),
    [
        (None, Need.NEEDED),
        (timedelta(), Need.NOT_DUE),
        (timedelta(minutes=59), Need.NOT_DUE),
        (LOOK, Need.NEEDED),
        (-HOUR, Need.NEEDED),
    ],
)
def test_renew_asks_vault_every_hour(ago: timedelta | None, need: Need, tmp_path: Path) -> None:
    """A time in the future is wrong, and counts as too long ago."""
    install(tmp_path / "a")
    registry = Registry(tmp_path / "state")
    registry.add(tmp_path / "a")
    now = ISSUED + 3 * HOUR
    if ago is not None:
        registry.looked(now - ago)
    assert overall(of_host(Host(str(tmp_path / "state")), now)) is need


@pytest.mark.parametrize(
    ("needs", "expected"),
    [
        ((0, 255, 2, 1), 0),
        ((255, 2, 1), 255),
        ((1, 2), 2),
        ((1, 1), 1),
    ],
)
def test_most_important_answer_is_the_result(needs: tuple[int, ...], expected: int) -> None:
    """A renewal comes first, then an error."""
    assert overall([Answer(Need(need), "", "") for need in needs]) == expected


def test_only_a_renew_of_all_that_reached_vault_counts(
    prepared: DevVault, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run for one directory, or one that could not ask Vault, does not."""
    lead_to(prepared, monkeypatch)
    assert main.run(["issue", "client", "--name", "a", "--dir", str(tmp_path)]) == 0
    assert main.run(["needs-renewal", str(tmp_path)]) == Need.NOT_DUE
    assert main.run(["needs-renewal"]) == Need.NEEDED
    assert main.run(["renew", str(tmp_path)]) == 0
    assert main.run(["needs-renewal"]) == Need.NEEDED
    with monkeypatch.context() as patch:
        patch.setenv("BAO_ADDR", "http://127.0.0.1:9")
        patch.setenv("DOCKERTLS_TIMEOUT", "1s")
        main.run(["renew"])
    assert main.run(["needs-renewal"]) == Need.NEEDED
    assert main.run(["renew"]) == 0
    assert main.run(["needs-renewal"]) == Need.NOT_DUE
