"""The plan of a set-up, and of its removal."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from dockertls_vault.daemon import plan, served, units
from dockertls_vault.daemon.desired import DEFAULT, Wanted
from dockertls_vault.daemon.found import Files, Service
from dockertls_vault.daemon.inspection import Host, Now
from dockertls_vault.daemon.record import Records
from dockertls_vault.daemon.steps import CloseSocket, Forget, Keep, Restart
from dockertls_vault.docker.engine import Engine
from dockertls_vault.host.steps import Step, Write

from .test_clashes import existing
from .test_record import set_up
from .test_served import place

if TYPE_CHECKING:
    from collections.abc import Callable

    from dockertls_vault.daemon.served import Served

JSON = Path("/etc/docker/daemon.json")
RECORD, WRITTEN = set_up(None)
HOST = Host(Engine(Path("/run/docker.sock"), timedelta(seconds=1)), JSON, Records(Path("/state")))
NOW = Now(
    service=Service(("/usr/sbin/dockerd", "-H", "fd://"), "active"),
    files=Files(WRITTEN, units.socket((DEFAULT,)), units.drop_in()),
    record=RECORD,
    edited={},
    live_restore=True,
    is_listening=True,
    is_held=True,
)


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
    now = replace(NOW, is_listening=is_listening, is_held=is_held)
    assert plan.remove(HOST, now).restarts is restarts


def test_removal_keeps_tls_until_the_socket_is_closed() -> None:
    """Dockerd would serve it in plaintext; the record goes last."""
    steps = plan.remove(HOST, NOW).steps
    changed = [
        number for number, step in enumerate(steps) if isinstance(step, Write) and step.path == JSON
    ]
    assert kinds(steps).index(CloseSocket) < changed[0]
    assert kinds(steps)[-1] is Forget


@pytest.mark.parametrize("live_restore", [True, False])
def test_edits_of_one_file_differ(live_restore: bool) -> None:
    """Each of them says why, so that no line of a plan looks like a mistake."""
    steps = plan.remove(HOST, replace(NOW, live_restore=live_restore)).steps
    lines = [step.summary for step in steps]
    assert len(set(lines)) == len(lines)
    assert any("live-restore off, which the reload applies" in line for line in lines) is (
        live_restore
    )


def test_record_comes_before_what_it_describes(credential: Served) -> None:
    """And daemon.json configures TLS before there is a socket."""
    now = replace(
        NOW, files=Files(None, None, None), record=None, is_listening=False, is_held=False
    )
    steps = plan.configure(HOST, now, credential, Wanted(Path("/tls")), existing().sources).steps
    assert kinds(steps)[0] is Keep
    written = [step.path for step in steps if isinstance(step, Write)]
    assert written == [JSON, HOST.socket, HOST.drop_in]
    assert kinds(steps)[-1] is Restart


@pytest.mark.parametrize("can_reload", [True, False])
def test_dockerd_that_cannot_be_reloaded_stops_containers(
    credential: Served, can_reload: bool
) -> None:
    """The plan says which."""
    now = replace(NOW, live_restore=False, running=("web",), can_reload=can_reload)
    now = replace(now, files=Files(None, None, None), record=None)
    made = plan.configure(HOST, now, credential, Wanted(Path("/tls")), existing().sources)
    assert made.stops == (() if can_reload else ("web",))


@pytest.mark.parametrize(
    ("others", "expected"),
    [
        (lambda ours: ours.replace(b"false", b"true"), b'{"debug": true}'),
        (lambda _: b"broken", b'{"debug": false}'),
    ],
)
def test_edit_of_others_stays_if_a_set_up_fails(
    others: Callable[[bytes], bytes], expected: bytes
) -> None:
    """Unless dockerd would not start with it."""
    original = b'{"debug": false}'
    record, ours = set_up(original)
    before = replace(NOW, files=Files(original, None, None), record=None)
    target = replace(NOW.files, daemon_json=ours)
    made = plan.Plan(HOST, before, target, record, ())
    edited = others(ours)
    now = replace(NOW, files=replace(target, daemon_json=edited), record=record)
    steps, _ = plan.undo(HOST, made, now)
    written = [step.after for step in steps if isinstance(step, Write) and step.path == JSON]
    assert written[-1] == expected
