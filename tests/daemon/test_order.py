"""The order of the steps of a set-up: what holds after each of them, on a model of a host."""

from __future__ import annotations

import json
from dataclasses import astuple, replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from dockertls_vault.daemon import order
from dockertls_vault.daemon.docker_service import Service
from dockertls_vault.daemon.edit import Edit
from dockertls_vault.daemon.inspection import Host, Inspection
from dockertls_vault.daemon.records import Records
from dockertls_vault.daemon.set_up_files import Files
from dockertls_vault.daemon.steps import CloseSocket, Restart, SwitchLiveRestore
from dockertls_vault.docker.engine import Engine
from dockertls_vault.host.steps import Write

from .test_record import set_up

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dockertls_vault.host.steps import Step

HOST = Host(
    Engine(Path("/run/docker.sock"), timedelta(seconds=1)),
    Path("/etc/docker/daemon.json"),
    Records(Path("/state")),
)
TLS = {"tlsverify": True, "tlscacert": "/ca.pem"}
BEFORE = Files(b'{"debug": true}', None, None)
AFTER = Files(
    json.dumps({"debug": True, **TLS, "live-restore": True}).encode(),
    b"[Socket]",
    b"[Service]",
)
SERVICE = Service(("/usr/sbin/dockerd", "-H", "fd://"), "active")
FLAGS = Path("/etc/default/docker")
# A flag of TLS that a take-over removes, from an environment file or a unit; or none.
EDITS = [
    (),
    (Edit(FLAGS, b"DOCKER_OPTS=--tls", b"DOCKER_OPTS=", is_unit=False),),
    (Edit(FLAGS, b"ExecStart=dockerd --tls", b"ExecStart=dockerd", is_unit=True),),
]


def follow(steps: Iterable[Step], start: Files, edits: tuple[Edit, ...]) -> Files:
    """Apply the steps to a model of the host, check it after each, and return its files."""
    files = dict(zip(HOST.paths, astuple(start), strict=True))
    files |= {edit.path: edit.before for edit in edits}
    is_open = start.socket is not None
    for step in steps:
        match step:
            case Write():
                assert files[step.path] == step.before
                files[step.path] = step.after
            case SwitchLiveRestore():
                assert order.has_live_restore(files[HOST.daemon_json]) is step.on
            case CloseSocket():
                is_open = False
            case Restart():
                is_open = files[HOST.drop_in] is not None
        has_tls = TLS.items() <= json.loads(files[HOST.daemon_json] or b"{}").items()
        # Plaintext, now or at the next start.
        assert has_tls or not (is_open or files[HOST.drop_in])
        # dockerd does not start with a setting in both.
        assert not (has_tls and b"--tls" in (files.get(FLAGS) or b""))
    assert all(files[edit.path] == edit.after for edit in edits)
    return Files(*(files[path] for path in HOST.paths))


@pytest.mark.parametrize("live_restore", [None, True, False])
@pytest.mark.parametrize("restart", [True, False])
@pytest.mark.parametrize("edits", EDITS, ids=["no edit", "file", "unit"])
def test_each_step_may_be_the_last(
    live_restore: bool | None, restart: bool, edits: tuple[Edit, ...]
) -> None:
    """No port is plaintext, and dockerd starts; all of them lead to the target, and back."""
    current = Inspection(SERVICE, BEFORE, None, {}, live_restore)
    steps = tuple(order.opening(HOST, current, AFTER, edits, restart=restart))
    assert follow(steps, BEFORE, edits) == AFTER
    current = Inspection(SERVICE, AFTER, None, {}, live_restore, is_listening=True)
    back = tuple(edit.reversed() for edit in reversed(edits))
    steps = tuple(order.closing(HOST, current, BEFORE, back, restart=restart))
    assert follow(steps, AFTER, back) == BEFORE
    assert any(isinstance(step, Restart) for step in steps) is restart


def test_dockerd_that_cannot_be_reloaded() -> None:
    """live-restore is on after the restart, which stops containers: plan.py says so."""
    current = Inspection(SERVICE, BEFORE, None, {}, live_restore=False, can_reload=False)
    steps = tuple(order.opening(HOST, current, AFTER, (), restart=True))
    assert follow(steps, BEFORE, ()) == AFTER
    assert not any(isinstance(step, SwitchLiveRestore) for step in steps)


@pytest.mark.parametrize("proven", [True, False])
def test_socket_is_opened_anew_unless_it_is_proven(proven: bool) -> None:
    """After a kill it may be open where its file said before; the restart opens it again."""
    record, _ = set_up(None)
    current = Inspection(SERVICE, AFTER, replace(record, proven=proven), {}, is_listening=True)
    steps = order.opening(HOST, current, AFTER, (), restart=True)
    assert [type(step) for step in steps] == ([Restart] if proven else [CloseSocket, Restart])


def test_removal_that_was_killed_is_completed() -> None:
    """The socket is closed and its files are gone: nothing but daemon.json is left to do."""
    current = Inspection(
        SERVICE, replace(AFTER, socket=None, drop_in=None), None, {}, live_restore=True
    )
    steps = tuple(order.closing(HOST, current, BEFORE, (), restart=False))
    assert follow(steps, current.files, ()) == BEFORE
    assert {type(step) for step in steps} == {Write, SwitchLiveRestore}
