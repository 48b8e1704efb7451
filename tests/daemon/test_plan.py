"""The plan of a set-up, and of its removal."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from dockertls_vault.daemon import plan, served, units
from dockertls_vault.daemon.desired import DEFAULT, Wanted, parse_listens, settings
from dockertls_vault.daemon.docker_service import Service
from dockertls_vault.daemon.inspection import Host, Inspection
from dockertls_vault.daemon.records import Records
from dockertls_vault.daemon.set_up_files import Files
from dockertls_vault.daemon.steps import CloseSocket, Forget, Keep, Restart, SwitchLiveRestore
from dockertls_vault.docker.engine import Engine
from dockertls_vault.errors import ConflictingState
from dockertls_vault.host.steps import Step, Write

from .test_clashes import existing
from .test_record import set_up
from .test_served import place

if TYPE_CHECKING:
    from dockertls_vault.daemon.served import Served

JSON = Path("/etc/docker/daemon.json")
RECORD, WRITTEN = set_up(None)
HOST = Host(Engine(Path("/run/docker.sock"), timedelta(seconds=1)), JSON, Records(Path("/state")))
CURRENT = Inspection(
    service=Service(("/usr/sbin/dockerd", "-H", "fd://"), "active"),
    files=Files(WRITTEN, units.socket((DEFAULT,)), units.drop_in()),
    record=RECORD,
    edited={},
    live_restore=True,
    is_listening=True,
    is_held=True,
)
WANTED = Wanted(Path("/tls"))


@pytest.fixture(scope="module")
def credential(tmp_path_factory: pytest.TempPathFactory) -> Served:
    """Return a credential to be served."""
    return served.load(place(tmp_path_factory.mktemp("tls")), datetime.now(UTC))


def kinds(steps: tuple[Step, ...]) -> list[type[Step]]:
    """Return the classes of steps."""
    return [type(step) for step in steps]


@pytest.mark.parametrize(
    ("is_listening", "is_held", "restarts"),
    [(True, True, True), (False, True, True), (True, False, True), (False, False, False)],
)
def test_removal_restarts_dockerd_if_it_may_hold_the_socket(
    is_listening: bool, is_held: bool, restarts: bool
) -> None:
    """Also if a run was killed once systemd had closed its side."""
    current = replace(CURRENT, is_listening=is_listening, is_held=is_held)
    assert plan.remove(HOST, current).restarts is restarts


def test_removal_keeps_tls_until_the_socket_is_closed() -> None:
    """Dockerd would serve it in plaintext; the record goes last."""
    steps = plan.remove(HOST, CURRENT).steps
    changed = [
        number for number, step in enumerate(steps) if isinstance(step, Write) and step.path == JSON
    ]
    assert kinds(steps).index(CloseSocket) < changed[0]
    assert kinds(steps)[-1] is Forget


def test_live_restore_that_is_a_flag_stays_one() -> None:
    """Dockerd refuses to start if daemon.json has it, too, even for a moment."""
    command = ("/usr/sbin/dockerd", "--live-restore", "-H", "fd://")
    steps = plan.remove(HOST, replace(CURRENT, service=Service(command, "active"))).steps
    assert Restart in kinds(steps)
    assert SwitchLiveRestore not in kinds(steps)
    assert not any(b"live-restore" in (content or b"") for content in contents(steps))


@pytest.mark.parametrize("live_restore", [True, False])
def test_edits_of_one_file_differ(live_restore: bool) -> None:
    """Each of them says why, so that no line of a plan looks like a mistake."""
    steps = plan.remove(HOST, replace(CURRENT, live_restore=live_restore)).steps
    lines = [step.summary for step in steps]
    assert len(set(lines)) == len(lines)
    assert any("live-restore off, which the reload applies" in line for line in lines) is (
        live_restore
    )


@pytest.mark.parametrize("is_open", [True, False])
def test_socket_that_is_not_open_is_opened_anew(credential: Served, is_open: bool) -> None:
    """Systemd calls it active although it has closed it, as with a drop-in that moves it."""
    sources = existing().sources
    before = replace(CURRENT, files=Files(None, None, None), record=None)
    first = plan.configure(HOST, before, credential, WANTED, sources)
    assert first.record is not None
    record = replace(first.record, proven=True)
    current = replace(CURRENT, files=first.target, record=record, is_open=is_open)
    steps = plan.configure(HOST, current, credential, WANTED, sources).steps
    assert kinds(steps) == ([] if is_open else [Keep, CloseSocket, Restart])
    stopped = replace(current, service=replace(CURRENT.service, state="inactive"))
    assert plan.configure(HOST, stopped, credential, WANTED, sources).steps == ()


def test_hosts_of_a_set_up_give_way_to_flags(credential: Served) -> None:
    """An upgrade of Docker brings `-H fd://` back, beside which dockerd does not start."""
    config = '{"hosts": ["unix:///var/run/docker.sock", "tcp://0.0.0.0:2376"]}'
    before = replace(CURRENT, files=Files(config.encode(), None, None), record=None)
    wanted = replace(WANTED, take_over=True)
    without_flags = existing("/usr/sbin/dockerd").sources
    first = plan.configure(HOST, before, credential, wanted, without_flags)
    assert first.record is not None
    assert json.loads(first.record.written)["hosts"] == ["unix:///var/run/docker.sock", "fd://"]
    record = replace(first.record, proven=True)
    current = replace(CURRENT, files=first.target, record=record)
    assert plan.configure(HOST, current, credential, WANTED, without_flags).steps == ()
    upgraded = plan.configure(HOST, current, credential, WANTED, existing().sources)
    assert "hosts" not in json.loads(upgraded.target.daemon_json or b"")
    assert upgraded.steps


def test_record_comes_before_what_it_describes(credential: Served) -> None:
    """And daemon.json configures TLS before there is a socket."""
    current = replace(
        CURRENT, files=Files(None, None, None), record=None, is_listening=False, is_held=False
    )
    steps = plan.configure(
        HOST, current, credential, Wanted(Path("/tls")), existing().sources
    ).steps
    assert kinds(steps)[0] is Keep
    written = [step.path for step in steps if isinstance(step, Write)]
    assert written == [JSON, HOST.socket, HOST.drop_in]
    assert kinds(steps)[-1] is Restart


@pytest.mark.parametrize("can_reload", [True, False])
def test_dockerd_that_cannot_be_reloaded_stops_containers(
    credential: Served, can_reload: bool
) -> None:
    """The plan says which."""
    current = replace(CURRENT, live_restore=False, running=("web",), can_reload=can_reload)
    current = replace(current, files=Files(None, None, None), record=None)
    made = plan.configure(HOST, current, credential, Wanted(Path("/tls")), existing().sources)
    assert made.stops == (() if can_reload else ("web",))


def contents(steps: tuple[Step, ...], path: Path = JSON) -> list[bytes | None]:
    """Return what is written to a file."""
    return [step.after for step in steps if isinstance(step, Write) and step.path == path]


def test_take_over_is_a_hint_only_if_it_can_be_done(credential: Served) -> None:
    """Else the hint says what to do before."""
    current, wanted = (
        replace(CURRENT, files=Files(None, None, None), record=None),
        Wanted(Path("/tls")),
    )
    sources = existing("/usr/bin/dockerd -H fd:// --tls").sources
    with pytest.raises(ConflictingState, match="clash") as failure:
        plan.configure(HOST, current, credential, wanted, sources)
    assert failure.value.hint is not None
    assert failure.value.hint.startswith("change them with --take-over")
    current = replace(current, files=Files(b'{"hosts": []}', None, None))
    with pytest.raises(ConflictingState, match="clash") as failure:
        plan.configure(HOST, current, credential, wanted, sources)
    assert failure.value.hint is not None
    assert "remove hosts from this file" in failure.value.hint
    assert "--take-over" not in failure.value.hint


@pytest.mark.parametrize(("config", "original"), [({}, None), ({"debug": True}, {"debug": True})])
def test_set_up_by_hand_is_recorded(
    credential: Served, config: dict[str, object], original: dict[str, object] | None
) -> None:
    """As our own, so that its removal leaves nothing."""
    values = settings(credential.paths, live_restore=True)
    content = json.dumps({**config, **values}).encode()
    listen = parse_listens(["2377"])
    files = Files(content, units.socket(listen), units.drop_in())
    current = replace(CURRENT, files=files, record=None)
    made = plan.configure(HOST, current, credential, Wanted(Path("/tls")), existing().sources)
    record = made.record
    assert record is not None
    assert (record.listen, made.target) == (listen, files)
    assert (record.original and json.loads(record.original)) == original
