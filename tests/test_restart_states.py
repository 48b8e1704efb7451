"""The restart of dockerd in each state that systemd reports, and what it refuses."""

from __future__ import annotations

import json
import socket
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from dockertls_vault import restart_daemon, stop
from dockertls_vault.certificate.also_trusted import AlsoTrusted
from dockertls_vault.daemon import allowed_time, close_port, docker_service, served
from dockertls_vault.daemon.desired import Listen, settings
from dockertls_vault.daemon.docker_service import Service
from dockertls_vault.daemon.record import Record
from dockertls_vault.daemon.records import Records
from dockertls_vault.docker.engine import Engine
from dockertls_vault.errors import (
    CheckFailed,
    ConfigurationError,
    ConflictingState,
    DockerTLSError,
    DockerUnavailable,
    Locked,
    MissingDependency,
)
from dockertls_vault.host import systemd
from dockertls_vault.restart_daemon import Restarted, restart
from dockertls_vault.rollback import roll_back

from .certificates import Authority
from .docker import servers
from .harness.dialect.servers import on_openbao
from .hosts import SERVER

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from dockertls_vault.daemon.served import Served

    from .harness.dockerd import StartDockerd
    from .hosts import Host

pytestmark = on_openbao

LIMIT = timedelta(minutes=5)


class Systemd:
    """Stands in for systemd, which need not run here: it says what it is told, and counts."""

    def __init__(self) -> None:
        self.state = ("loaded", "active")
        self.next: list[str] = []
        self.restarts = 0
        self.jobs: list[bool] = []
        self.after: str | None = None
        self.unit = ""
        self.longest = systemd.PATIENCE
        self.allowed = 0.0

    def properties(self, _unit: str, _interface: str, *names: str, limit: float) -> Any:
        """Return LoadState= and ActiveState=, and where the files of the unit are."""
        assert 0 < limit <= self.longest
        if "ActiveState" not in names:
            return {"FragmentPath": (self.unit, []), "EnvironmentFiles": ([],)}[names[0]]
        state = self.state
        if self.next:
            self.state = (state[0], self.next.pop(0))
        return state

    def try_restart(self, _unit: str, limit: float) -> None:
        """Count, and have the state that is to follow."""
        assert 0 < limit <= self.longest
        self.restarts += 1
        self.allowed = limit
        if self.after is not None:
            self.state = ("loaded", self.after)

    def has_job(self, _unit: str, limit: float) -> bool:
        """Return whether it is restarting."""
        assert 0 < limit <= self.longest
        return self.jobs.pop(0) if self.jobs else False

    def invocation(self, _unit: str, _limit: float) -> str:
        """Return another ID after each restart."""
        return str(self.restarts)


class Clock:
    """Stands in for the module time: nothing passes but what is waited for."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        """Return the seconds that have passed."""
        return self.now

    def wait(self, seconds: float) -> None:
        """Let them pass."""
        self.now += seconds


@pytest.fixture(name="units")
def replaced_systemd(host: Host, monkeypatch: pytest.MonkeyPatch) -> Systemd:
    """Return a systemd whose docker.service is active, and is set up."""
    made = Systemd()
    command = (
        "dockerd",
        "--host=unix:///run/docker.sock",
        f"--config-file={host.out.parent / 'daemon.json'}",
    )
    monkeypatch.setattr(docker_service, "read", lambda: Service(command, "active"))
    monkeypatch.setattr(docker_service, "is_guarded", lambda: True)
    monkeypatch.setattr(systemd, "properties", made.properties)
    monkeypatch.setattr(systemd, "try_restart", made.try_restart)
    monkeypatch.setattr(systemd, "has_job", made.has_job)
    monkeypatch.setattr(systemd, "invocation", made.invocation)
    return made


def set_up(host: Host, port: int = 9) -> Records:
    """Issue the certificate, and record that a daemon at ``port`` was set up with it."""
    host.issue()
    return record(host, port)


def record(host: Host, port: int, added: Mapping[str, Any] | None = None) -> Records:
    """Record the set-up of a daemon at ``port``, with values ``added`` to daemon.json."""
    listen = (Listen("127.0.0.1", port),)
    where = host.out.parent / "daemon.json"
    tls = settings(served.paths(host.out), live_restore=False)
    where.write_text(json.dumps(tls))
    written = json.dumps({**tls, **(added or {})}).encode()
    made = Record(host.out, listen, where, written, original=None)
    records = Records(host.out.parent / "state")
    records.write(made)
    return records


def run(host: Host, limit: timedelta = LIMIT, *, if_needed: bool = False) -> Restarted:
    """Restart the daemon of a host that has no client credential."""
    state, clients = host.out.parent / "state", host.out.parent / "none"
    return restart(state, clients, lambda: datetime.now(UTC), limit, if_needed=if_needed)


def test_daemon_that_was_restarted_is_checked(
    host: Host, units: Systemd, host_dockerd: StartDockerd
) -> None:
    """Then its set-up is proven; it fails if it presents another certificate than on disk."""
    host.issue()
    port = host_dockerd(credential=(host.out / ".dockertls" / "current").resolve())
    records = record(host, port)
    before = records.read()
    assert before is not None
    done = run(host)
    assert (done.restarted, units.restarts) == (True, 1)
    assert records.read() == replace(before, proven=True)
    assert [proof.listen for proof in done.proofs] == [f"127.0.0.1:{port}"]
    host.issue()
    with pytest.raises(CheckFailed) as failure:
        run(host)
    assert "its certificate is not the one in" in failure.value.problems[0]


def test_daemon_that_accepts_clients_of_another_ca_fails_its_check(
    host: Host, units: Systemd, host_dockerd: StartDockerd, tmp_path: Path
) -> None:
    """Its tlscacert is not the ca.pem of the credential, or was another when it started."""
    host.issue()
    for path in (host.out / ".dockertls" / "current").resolve().iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    with (tmp_path / "ca.pem").open("ab") as ca:
        ca.write(Authority.create("another").pem)
    record(host, host_dockerd(credential=tmp_path))
    with pytest.raises(CheckFailed) as failure:
        run(host)
    assert "it also accepts clients of CN=another, which is not in" in failure.value.problems[0]
    assert units.restarts == 1


@pytest.mark.parametrize(
    ("error", "words", "hint"),
    [
        (None, "docker-tls.socket is closed, and dockerd restarted without it", "configure"),
        (
            DockerUnavailable("no"),
            "is closed, and dockerd is not back without it: no",
            "journal",
        ),
        (ConflictingState("no"), "its port is not closed: no", "stop Docker now"),
    ],
)
def test_port_of_a_daemon_that_lets_anyone_in_is_closed(
    error: DockerTLSError | None,
    words: str,
    hint: str,
    host: Host,
    units: Systemd,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The error says what became of it, and what to do; the status is that of the check."""
    closed: list[Listen] = []

    def prove(*_: object, **__: object) -> None:
        raise CheckFailed("it fails", ("plaintext",), admits_anyone=True)

    def close(listens: tuple[Listen, ...], _timeout: timedelta, limit: float) -> None:
        assert 0 < limit <= units.longest
        closed.extend(listens)
        if error is not None:
            raise error

    monkeypatch.setattr(close_port, "close", close)
    monkeypatch.setattr(restart_daemon, "prove", prove)
    made = set_up(host).read()
    with pytest.raises(CheckFailed, match="it fails, and lets anyone in; ") as failure:
        run(host)
    assert words in failure.value.message
    assert hint in failure.value.hint
    assert failure.value.problems == ("plaintext",)
    assert made is not None
    assert (tuple(closed), units.restarts) == (made.listen, 1)


@pytest.mark.parametrize("is_open", [True, False])
@pytest.mark.parametrize("is_broken", [True, False])
def test_port_that_a_killed_run_has_not_closed_is_closed(
    is_open: bool, is_broken: bool, host: Host, units: Systemd, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Although dockerd is not restarted, since its set-up is no longer complete, or is broken."""
    closed: list[Listen] = []

    def prove(*_: object, **__: object) -> None:
        raise CheckFailed("it fails", ("plaintext",), admits_anyone=is_open)

    monkeypatch.setattr(restart_daemon, "prove", prove)
    monkeypatch.setattr(close_port, "close", lambda listens, *_: closed.extend(listens))
    monkeypatch.setattr(docker_service, "is_guarded", lambda: False)
    made = set_up(host).read()
    if is_broken:
        (host.out.parent / "daemon.json").write_text("{")
    with pytest.raises(CheckFailed if is_open else ConfigurationError) as failure:
        run(host, if_needed=True)
    assert ("is closed" in failure.value.message) == is_open
    assert made is not None
    assert (tuple(closed), units.restarts) == (made.listen if is_open else (), 0)


def test_port_is_closed_even_if_the_time_is_over(
    host: Host, units: Systemd, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Systemd is asked, and completes it, whoever waits for that."""
    clock, limits = Clock(), []
    monkeypatch.setattr(allowed_time, "time", clock)
    set_up(host)

    def prove(*_: object, **__: object) -> None:
        clock.wait(LIMIT.total_seconds())
        raise CheckFailed("it fails", ("plaintext",), admits_anyone=True)

    monkeypatch.setattr(restart_daemon, "prove", prove)
    monkeypatch.setattr(close_port, "close", lambda *given: limits.append(given[-1]))
    with pytest.raises(CheckFailed, match="is closed"):
        run(host, if_needed=True)
    assert (limits, units.restarts) == ([1.0], 1)


def test_restart_that_systemd_refuses_is_an_error(
    host: Host, units: Systemd, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of Docker, as one that fails; the message is systemd's."""

    def try_restart(_unit: str, _limit: float) -> None:
        raise ConflictingState("`systemctl` failed: no")

    monkeypatch.setattr(systemd, "try_restart", try_restart)
    set_up(host)
    with pytest.raises(DockerUnavailable, match="not restart dockerd: `systemctl` failed: no"):
        run(host)
    assert units.restarts == 0


def test_credential_that_is_renewed_before_the_restart_is_proven(
    host: Host, units: Systemd, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As while dockerd is stopping: it serves what it reads when it starts."""
    set_up(host)
    before, proven = served.load(host.out, datetime.now(UTC)), []

    def renewed(*names: str, limit: float) -> Any:
        monkeypatch.setattr(systemd, "properties", units.properties)
        host.issue()
        return units.properties(*names, limit=limit)

    def prove(_listen: object, credential: Served, *_: object, **__: object) -> tuple[()]:
        proven.append(credential)
        return ()

    monkeypatch.setattr(systemd, "properties", renewed)
    monkeypatch.setattr(restart_daemon, "prove", prove)
    assert run(host).restarted
    assert proven == [served.load(host.out, datetime.now(UTC))] != [before]


def test_credential_that_is_renewed_before_dockerd_reads_it_is_checked(
    host: Host, units: Systemd, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The check that fails compared it with the one before; the renewal's own hook comes later."""
    set_up(host)
    before, proven = served.load(host.out, datetime.now(UTC)), []

    def prove(_listen: object, credential: Served, *_: object, **__: object) -> tuple[()]:
        proven.append(credential)
        if credential == before:
            host.issue()
            raise CheckFailed("it fails", ("another certificate",))
        return ()

    monkeypatch.setattr(restart_daemon, "prove", prove)
    assert run(host).restarted
    assert proven == [before, served.load(host.out, datetime.now(UTC))]
    assert units.restarts == 1


def test_daemon_is_not_stopped_if_it_could_not_read_its_configuration(
    host: Host, units: Systemd
) -> None:
    """The old certificate stays in use, and the message says what is wrong."""
    set_up(host)
    (host.out.parent / "daemon.json").write_text("{\n  // TLS\n}\n")
    with pytest.raises(ConfigurationError, match="line 2, column 3: JSON has no comments"):
        run(host)
    assert units.restarts == 0


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"tlsverify": False}, "tlsverify in {} is false, and was true"),
        ({"tlscacert": "/etc/ssl/cert.pem"}, 'tlscacert in {} is "/etc/ssl/cert.pem", and was "'),
        (None, "tlskey in {} is missing, and was"),
        ("--config-file=/other.json", "dockerd reads /other.json, and was set up in {}"),
        ("", "docker.service is started without the check for TLS"),
    ],
    ids=["tlsverify", "tlscacert", "missing", "file", "unguarded"],
)
def test_daemon_is_not_stopped_if_it_would_lose_what_protects_it(
    change: Any, words: str, host: Host, units: Systemd, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The one that runs goes on with TLS, and the message says what was changed."""
    set_up(host)
    file = host.out.parent / "daemon.json"
    if isinstance(change, str):
        monkeypatch.setattr(docker_service, "is_guarded", lambda: bool(change))
        command = ("dockerd", change or f"--config-file={file}")
        monkeypatch.setattr(docker_service, "read", lambda: Service(command, "active"))
    else:
        tls = json.loads(file.read_text())
        file.write_text(json.dumps(tls | change if change else {}))
    with pytest.raises(ConflictingState) as failure:
        run(host, if_needed=True)
    assert any(each.startswith(words.format(file)) for each in failure.value.problems)
    assert "daemon configure" in failure.value.hint
    assert units.restarts == 0


@pytest.mark.parametrize("state", [("loaded", "inactive"), ("masked", "inactive")])
def test_daemon_that_was_stopped_is_left_alone(
    state: tuple[str, str], host: Host, units: Systemd
) -> None:
    """Not even a connection is made, which would start it through its socket."""
    set_up(host)
    units.state = state
    assert (run(host), units.restarts) == (Restarted(restarted=False), 0)


@pytest.mark.parametrize(
    ("state", "kind"),
    [
        (("loaded", "failed"), DockerUnavailable),
        (("not-found", "inactive"), MissingDependency),
        (("bad-setting", "inactive"), MissingDependency),
    ],
)
def test_daemon_that_failed_or_is_gone_is_an_error(
    state: tuple[str, str], kind: type[DockerTLSError], host: Host, units: Systemd
) -> None:
    """It is not started."""
    set_up(host)
    units.state = state
    with pytest.raises(kind):
        run(host)
    assert units.restarts == 0


@pytest.mark.parametrize("as_a_hook", [False, True])
def test_only_a_hook_has_its_time(as_a_hook: bool, host: Host, units: Systemd) -> None:
    """Nothing kills a restart by hand, and a daemon may have many containers."""
    set_up(host)
    with pytest.raises(CheckFailed):
        run(host, LIMIT, if_needed=as_a_hook)
    assert (units.allowed <= LIMIT.total_seconds() * 0.9) == as_a_hook


@pytest.mark.parametrize("state", ["failed", "activating"])
def test_daemon_that_does_not_come_back_is_an_error(state: str, host: Host, units: Systemd) -> None:
    """Also if systemd is about to try again; the hint names its journal."""
    set_up(host)
    units.jobs, units.after = [True, True], state
    with pytest.raises(DockerUnavailable, match=f"dockerd is not back: .* is {state}") as failure:
        run(host)
    assert "journalctl" in failure.value.hint
    assert units.jobs == []


@pytest.mark.parametrize("restarts", [True, False])
def test_interrupted_restart_says_what_is_left_to_do(
    restarts: bool,
    host: Host,
    units: Systemd,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Systemd completes it, and nobody has checked the daemon."""
    if restarts:
        set_up(host)
    else:
        failing(host, units)

    with stop.heeded() as requested:

        def prove(*_: object, **__: object) -> None:
            requested.request()
            stop.check()

        monkeypatch.setattr(restart_daemon, "prove", prove)
        with pytest.raises(stop.Stopped):
            run(host, if_needed=True)
    (said,) = [each for each in caplog.messages if each.startswith("interrupted: ")]
    assert ("systemd completes the restart" in said) == restarts
    assert "dockerd was not checked" in said


def test_files_that_would_stop_it_are_rejected_before(host: Host, units: Systemd) -> None:
    """A daemon that works is not stopped."""
    set_up(host)
    (host.out / "server-key.pem").unlink()
    with pytest.raises(ConflictingState):
        run(host)
    assert units.restarts == 0


@pytest.mark.parametrize("is_in_effect", [False, True])
def test_set_up_that_was_killed_stops_no_containers(
    is_in_effect: bool, host: Host, units: Systemd, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is recorded before live-restore is in effect, and a timer may renew meanwhile."""
    host.issue()
    record(host, 9, {"live-restore": True})
    monkeypatch.setattr(Engine, "info", lambda _: {"LiveRestoreEnabled": is_in_effect})
    kind = CheckFailed if is_in_effect else ConflictingState
    with pytest.raises(kind):
        run(host)
    assert units.restarts == int(is_in_effect)


def test_restart_needs_a_set_up_that_nobody_changes(host: Host, units: Systemd) -> None:
    """A set-up that is half done could have containers stopped."""
    with pytest.raises(ConfigurationError, match="has not set up dockerd"):
        run(host)
    assert not (host.out.parent / "state" / "daemon").exists()
    with set_up(host).locked(), pytest.raises(Locked):
        run(host)
    assert units.restarts == 0


def failing(host: Host, units: Systemd) -> Host:
    """Return a host whose daemon, at a port where none is, fails its check after a restart."""
    set_up(host)
    units.unit = str(host.out.parent / "docker.service")
    with pytest.raises(CheckFailed):
        run(host, if_needed=True)
    assert units.restarts == 1
    return host


def test_check_that_fails_is_repeated_without_a_restart(host: Host, units: Systemd) -> None:
    """Also if the files of this attempt are read by a dockerd that somebody else restarted."""
    failing(host, units)
    for _ in range(2):
        with pytest.raises(CheckFailed) as failure:
            run(host, if_needed=True)
        assert "until its files change" in failure.value.hint
    assert units.restarts == 1
    with pytest.raises(CheckFailed):
        run(host)
    assert units.restarts == 2


def swap(host: Host) -> None:
    """Swap the certificate."""
    host.issue()


def swap_back(host: Host) -> None:
    """Swap it twice, so that the same one is in use again."""
    host.issue()
    roll_back(host.out, None, admins=None, now=host.clock())


def write_daemon_json(host: Host) -> None:
    """Change the configuration of dockerd."""
    file = host.out.parent / "daemon.json"
    file.write_text(f"{file.read_text()}\n")


def write_unit(host: Host) -> None:
    """Change the unit of dockerd."""
    (host.out.parent / "docker.service").touch()


def lose_attempt(host: Host) -> None:
    """Damage the record of the restart."""
    (host.out.parent / "state" / "daemon" / "restart.json").write_text("{}")


@pytest.mark.parametrize(
    "change",
    [swap, swap_back, write_daemon_json, write_unit, lose_attempt],
    ids=lambda f: f.__name__,
)
def test_change_of_a_file_has_dockerd_restarted(
    change: Callable[[Host], None], host: Host, units: Systemd
) -> None:
    """Once, again."""
    change(failing(host, units))
    for _ in range(2):
        with pytest.raises(CheckFailed):
            run(host, if_needed=True)
    assert units.restarts == 2


def lose_ca(host: Host) -> None:
    """Accept another CA, and then no longer, while dockerd may have been restarted by anybody."""
    another = AlsoTrusted(Authority.create("another").certificate, host.clock() + 2 * LIMIT)
    host.issue(replace(SERVER, also_trusted=(another,)))
    host.issue()


def lose_note(host: Host) -> None:
    """Have a run killed that may have lost a CA, and another one make up for it."""
    (host.out / ".dockertls" / "narrowed").unlink()
    host.issue()


def replace_link(host: Host) -> None:
    """Put another ca.pem in the place of the link, and the link back."""
    ca = host.out / "ca.pem"
    target = ca.readlink()
    ca.unlink()
    ca.symlink_to(target)


def after(host: Host) -> object:
    """Return the run after which no dockerd has accepted more CAs than now."""
    return json.loads((host.out.parent / "state" / "daemon" / "restart.json").read_text())["after"]


@pytest.mark.parametrize(
    ("change", "run_before"),
    [
        (swap, "0"),
        (swap_back, "0"),
        (lose_ca, "1"),
        (lose_note, "1"),
        (replace_link, "1"),
        (write_daemon_json, "1"),
        (write_unit, "1"),
        (lose_attempt, "1"),
    ],
    ids=lambda given: given if isinstance(given, str) else given.__name__,
)
def test_restart_notes_since_when_no_ca_was_lost(
    change: Callable[[Host], None], run_before: str, host: Host, units: Systemd
) -> None:
    """Of what decides which CAs dockerd accepts, a renewal changes nothing."""
    failing(host, units)
    assert after(host) == "0"
    change(host)
    if change is replace_link:
        host.issue()  # it has dockerd restarted
    with pytest.raises(CheckFailed):
        run(host, if_needed=True)
    assert (units.restarts, after(host)) == (2, run_before)


def test_restart_by_hand_begins_anew(host: Host, units: Systemd) -> None:
    """What dockerd logged before counts no longer (`daemon clients`)."""
    failing(host, units)
    with pytest.raises(CheckFailed):
        run(host)
    assert after(host) == "1"


def test_restart_that_was_not_begun_is_made_up_for(host: Host, units: Systemd) -> None:
    """Dockerd is still the one from before."""
    failing(host, units)
    units.restarts = 0
    with pytest.raises(CheckFailed):
        run(host, if_needed=True)
    assert units.restarts == 1


def test_dockerd_that_is_still_starting_is_waited_for(host: Host, units: Systemd) -> None:
    """As after a hook that was killed, or whose time was over."""
    failing(host, units)
    units.state, units.next = ("loaded", "deactivating"), ["activating", "activating", "active"]
    with pytest.raises(CheckFailed):
        run(host, if_needed=True)
    assert (units.restarts, units.next) == (1, [])


@pytest.mark.parametrize("state", ["deactivating", "activating"])
def test_time_is_over_before_the_hook_is_killed(
    state: str, host: Host, units: Systemd, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The message says what it was waiting for."""
    failing(host, units)
    clock = Clock()
    monkeypatch.setattr(allowed_time, "time", clock)
    monkeypatch.setattr(stop, "wait", clock.wait)
    units.state = ("loaded", state)
    with pytest.raises(DockerUnavailable, match=f"docker.service is still {state}") as failure:
        run(host, if_needed=True)
    assert "DOCKERTLS_HOOK_TIMEOUT" in failure.value.hint
    assert units.restarts == 1


def test_check_of_a_daemon_that_is_silent_ends_in_time(
    host: Host, units: Systemd, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many responses it waits for."""
    monkeypatch.setattr(allowed_time, "time", Clock())  # what comes before takes none of it
    host.issue()
    with socket.create_server(("127.0.0.1", 0)) as silent:
        record(host, silent.getsockname()[1])
        with pytest.raises(DockerUnavailable, match="the check of dockerd is not done"):
            run(host, timedelta(seconds=1), if_needed=True)
    assert units.restarts == 1


def test_server_that_is_not_docker_is_said_once(host: Host, units: Systemd) -> None:
    """What it presents and accepts is not compared with the files: it has no TLS."""
    host.issue()
    with servers.http(200, b"<!DOCTYPE HTML>" + b"x" * 200) as port:
        record(host, port)
        with pytest.raises(CheckFailed) as failure:
            run(host)
    assert failure.value.problems
    assert not any("certificate is not" in each for each in failure.value.problems)
    assert not any("does not accept clients" in each for each in failure.value.problems)
    assert units.restarts == 1
