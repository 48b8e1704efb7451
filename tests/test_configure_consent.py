"""A set-up is applied as the plan that was shown says, to the host and the credential of now."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from dockertls_vault import configure
from dockertls_vault.configure import Change
from dockertls_vault.daemon import docker_service, served, transaction
from dockertls_vault.daemon.docker_service import Service
from dockertls_vault.daemon.inspection import Host, Inspection
from dockertls_vault.daemon.plan import Plan
from dockertls_vault.daemon.records import Records
from dockertls_vault.daemon.set_up_files import Files
from dockertls_vault.daemon.steps import Restart, SwitchLiveRestore
from dockertls_vault.docker.engine import Engine
from dockertls_vault.errors import ConflictingState, SetUpFailed

from .daemon.test_record import set_up
from .daemon.test_served import place

if TYPE_CHECKING:
    from pathlib import Path

    from dockertls_vault.daemon.served import Served

NOTHING = Files(None, None, None)
SECOND = timedelta(seconds=1)


@pytest.fixture(name="plan")
def restarting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Plan:
    """Return a plan that restarts dockerd, which takes no effect here."""
    monkeypatch.setattr(Restart, "apply", lambda _: None)
    monkeypatch.setattr(SwitchLiveRestore, "apply", lambda _: None)
    engine = Engine(tmp_path / "docker.sock", SECOND)
    host = Host(engine, tmp_path / "daemon.json", Records(tmp_path / "state"), tmp_path)
    current = Inspection(
        Service(("dockerd",), "active"), NOTHING, None, edited={}, running=("web",)
    )
    return Plan(host, current, NOTHING, None, (Restart(engine),))


def apply(shown: Plan, found: Plan) -> configure.Outcome:
    """Apply a plan that was shown, which is another one when it is made again."""
    return run(Change(shown, lambda: found))


def run(change: Change) -> configure.Outcome:
    """Apply a change."""
    return configure.apply(change, client=None, timeout=SECOND, now=lambda: datetime.now(UTC))


@pytest.mark.parametrize("running", [(), ("web",), ("db", "web")])
def test_containers_may_come_and_go(plan: Plan, running: tuple[str, ...]) -> None:
    """Live-restore keeps them all, so that the plan is still the one that was shown."""
    engine = plan.host.engine
    shown, found = (
        replace(
            plan,
            current=replace(plan.current, running=names),
            steps=(SwitchLiveRestore(engine, on=True, running=names), Restart(engine)),
        )
        for names in (("web",), running)
    )
    assert apply(shown, found).applied


def test_container_that_nobody_agreed_to_stop(plan: Plan) -> None:
    """Without live-restore, one that was started since is named, and nothing is restarted."""
    found = replace(plan, current=replace(plan.current, running=("db", "web")))
    with pytest.raises(ConflictingState, match="started since the plan was made") as raised:
        apply(plan, found)
    assert raised.value.problems == ("db",)


def test_container_that_has_ended_is_not_stopped(plan: Plan) -> None:
    """The outcome says what the plan of now stops."""
    assert apply(plan, replace(plan, current=replace(plan.current, running=()))).stopped == ()


@pytest.fixture(name="recorded")
def with_credential(plan: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Change:
    """Return a change whose credential is to be proven, on a host that stays as it is."""
    monkeypatch.setattr(docker_service, "read", lambda: plan.current.service)
    monkeypatch.setattr(docker_service, "is_guarded", lambda: True)
    monkeypatch.setattr(configure, "look", lambda *_: plan.current)
    (tmp_path / "tls").mkdir()
    directory = place(tmp_path / "tls")
    made = replace(plan, record=replace(set_up(None)[0], certificates=directory))
    return Change(made, lambda: made, served.load(directory, datetime.now(UTC)))


@pytest.mark.parametrize("live_restore", [True, False])
@pytest.mark.parametrize("fleeting", [(), ("db",)])
def test_container_that_starts_during_the_set_up_is_not_stopped(
    recorded: Change,
    live_restore: bool,
    fleeting: tuple[str, ...],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What runs is looked at once more, just before the restart; what was there before is back."""
    latest = replace(
        recorded.plan.current, running=("db", "web"), fleeting=fleeting, live_restore=live_restore
    )
    back: list[Plan] = []
    monkeypatch.setattr(configure, "look", lambda *_: latest)
    monkeypatch.setattr(configure, "prove", lambda *_, **__: ())
    monkeypatch.setattr(transaction, "_put_back", back.append)
    if live_restore and not fleeting:
        assert run(recorded).applied
        return
    monkeypatch.setattr(Restart, "apply", pytest.fail)
    with pytest.raises(SetUpFailed, match="started since the plan was made") as raised:
        run(recorded)
    assert (raised.value.problems, back) == (("db",), [recorded.plan])


def test_credential_that_was_renewed_since_is_proven(
    recorded: Change, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Dockerd reads it when it starts; the plan was made with the one before."""
    proven = []

    def prove(_listen: object, credential: Served, *_: object, **__: object) -> tuple[()]:
        proven.append(credential)
        return ()

    monkeypatch.setattr(configure, "prove", prove)
    assert recorded.served is not None
    directory = place(recorded.served.paths[0].parent)
    run(recorded)
    assert proven == [served.load(directory, datetime.now(UTC))] != [recorded.served]
