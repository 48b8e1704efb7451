"""A set-up that fails or is stopped halfway: what was there before is put back."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from dockertls_vault import configure, stop
from dockertls_vault.configure import Change
from dockertls_vault.daemon import docker_service, transaction, undo
from dockertls_vault.daemon.docker_service import Service
from dockertls_vault.daemon.inspection import Host, Inspection
from dockertls_vault.daemon.plan import Plan
from dockertls_vault.daemon.records import Records
from dockertls_vault.daemon.set_up_files import Files
from dockertls_vault.docker.engine import Engine
from dockertls_vault.errors import ConflictingState, LiveRestoreOff, SetUpFailed
from dockertls_vault.host.steps import Step

from .daemon.test_record import set_up

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from dockertls_vault.daemon.record import Record

NOTHING = Files(None, None, None)
SECOND = timedelta(seconds=1)


@dataclass(frozen=True)
class Fails(Step):
    """A step that raises."""

    error: BaseException = field(compare=False)

    @property
    def summary(self) -> str:
        """It is not shown."""
        return "fail"

    def apply(self) -> None:
        """Fail."""
        raise self.error


@pytest.fixture(name="fail")
def failing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[str]]:
    """Return a function that applies a plan with a step that raises an error."""
    place = tmp_path / "etc"
    place.mkdir()

    def run(
        error: BaseException,
        back: Exception | None = None,
        served: Any = True,
        record: Record | None = None,
    ) -> list[str]:
        done: list[str] = []

        def put_back(_made: Plan) -> None:
            done.append("put back")
            if back is not None:
                raise back

        monkeypatch.setattr(transaction, "_put_back", put_back)
        engine = Engine(tmp_path / "docker.sock", SECOND)
        host = Host(engine, place / "daemon.json", Records(tmp_path / "state"), place)
        current = Inspection(Service(("dockerd",), "active"), NOTHING, None, edited={})
        made = Plan(host, current, NOTHING, record, (Fails(error),))
        change = Change(made, lambda: made, served or None)
        try:
            configure.apply(change, client=None, timeout=SECOND, now=lambda: datetime.now(UTC))
        except BaseException as raised:
            raised.add_note(repr(done))
            raise
        return done

    return run


@pytest.mark.parametrize(
    "error", [stop.Stopped(), KeyError("unexpected"), LiveRestoreOff("containers would stop")]
)
def test_whatever_ends_it_is_put_back(fail: Callable[..., list[str]], error: BaseException) -> None:
    """Also a request to stop, a fault of our own, and a question; all go on to the caller."""
    with pytest.raises(type(error)) as raised:
        fail(error)
    assert raised.value.__notes__ == ["['put back']"]


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (stop.Stopped(), "the set-up was interrupted, and what was there before is not back: no"),
        (ConflictingState("yes"), "yes, and what was there before is not back: no"),
    ],
)
@pytest.mark.parametrize("state", ["active", "failed"])
def test_what_is_not_back_is_said(
    fail: Callable[..., list[str]],
    error: BaseException,
    message: str,
    state: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With what to run; and if dockerd is stopped, what it may reject, and where it says so."""
    monkeypatch.setattr(docker_service, "read", lambda **_: Service(("dockerd",), state))
    with pytest.raises(SetUpFailed) as raised:
        fail(error, ConflictingState("no"))
    assert raised.value.message == message
    assert "--remove" in raised.value.hint
    assert "sudo systemctl reset-failed docker && sudo systemctl start" in raised.value.hint
    rejects = raised.value.hint.startswith("see in `journalctl -u docker.service` whether dockerd")
    assert rejects == ("etc/daemon.json, correct it" in raised.value.hint) == (state == "failed")


@pytest.mark.parametrize("make", [stop.Stopped, lambda: ConflictingState("no")])
@pytest.mark.parametrize(("record", "what"), [(None, "removal"), (set_up(None)[0], "set-up")])
def test_what_is_not_put_back_is_to_be_run_again(
    fail: Callable[..., list[str]],
    make: Callable[[], BaseException],
    record: Record | None,
    what: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A removal, and a set-up without systemd: the next run goes on."""
    error = make()
    with pytest.raises(type(error)) as raised:
        fail(error, served=False, record=record)
    assert raised.value.__notes__ == ["[]"]
    assert f"the {what} is not complete; run it again: it has yet to fail" in caplog.messages


@dataclass(frozen=True)
class Does(Step):
    """A step that calls a function."""

    call: Callable[[], object] = field(compare=False)

    @property
    def summary(self) -> str:
        """It is not shown."""
        return "do"

    def apply(self) -> None:
        """Call it."""
        self.call()


@pytest.mark.parametrize("served", [True, False])
def test_request_to_stop_ends_it_after_the_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, served: Any
) -> None:
    """The step is done, and no other one; what then puts everything back is not stopped."""
    done: list[str] = []
    back = (Does(lambda: done.append("back")), Does(lambda: done.append("record")))
    engine = Engine(tmp_path / "docker.sock", SECOND)
    host = Host(engine, tmp_path / "daemon.json", Records(tmp_path / "state"), tmp_path)
    current = Inspection(Service(("dockerd",), "inactive"), NOTHING, None, edited={})
    monkeypatch.setattr(undo, "steps", lambda *_: (back[:1], back[1]))
    monkeypatch.setattr(transaction, "look_at_files", lambda *_: current)
    monkeypatch.setattr(docker_service, "read", lambda: current.service)
    with stop.heeded() as asked:
        steps = (
            Does(lambda: done.append("one")),
            Does(asked.request),
            Does(lambda: done.append("other")),
        )
        made = Plan(host, current, NOTHING, None, steps)
        change = Change(made, lambda: made, served or None)
        with pytest.raises(stop.Stopped):
            configure.apply(change, client=None, timeout=SECOND, now=lambda: datetime.now(UTC))
    assert done == (["one", "back", "record"] if served else ["one"])
