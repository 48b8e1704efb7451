"""`daemon configure` on a host without systemd: a real dockerd that is started by hand."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from dockertls_vault import configure, configure_file
from dockertls_vault.daemon.desired import Wanted
from dockertls_vault.daemon.docker_service import Service
from dockertls_vault.daemon.records import Records
from dockertls_vault.errors import CannotWrite, ConflictingState

from .certificates import Authority
from .daemon.test_record import set_up
from .daemon.test_served import place
from .harness.host import Host, running_host

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from .harness.engine import Engine

pytestmark = pytest.mark.slow

CONFIGURE = "dockertls-vault daemon configure"
TLS = "/srv/tls"
ORIGINAL = '{\n    "debug": false\n}\n'
START = """\
nohup setsid dockerd >/srv/dockerd.log 2>&1 &
timeout 60 sh -c 'until docker version; do sleep 0.1; done' >/dev/null
"""
STOP = """\
kill $(cat /run/docker.pid)
timeout 60 sh -c 'while [ -e /run/docker.pid ]; do sleep 0.1; done'
"""


@pytest.fixture(scope="module")
def host(engine: Engine, host_image: str, host_program: Path) -> Iterator[Host]:
    """Return a host with a server credential and a client's, whose daemon.json has a setting."""
    with running_host(engine, host_image, host_program, with_systemd=False) as booted:
        booted.do("dockertls-vault ca init --allow-any-name --yes")
        booted.do(f"dockertls-vault issue server --dir {TLS}")
        booted.do("dockertls-vault issue client --dir /srv/client")
        booted.do(f"mkdir -p /etc/docker; cat >/etc/docker/daemon.json <<'END'\n{ORIGINAL}END\n:")
        yield booted


def test_set_up_and_back(host: Host) -> None:
    """It serves TLS and its Unix socket at its next start; --remove leaves no trace."""
    assert host.run(f"{CONFIGURE} --dir {TLS}")[0] == 78
    assert "nothing was changed (--dry-run)" in host.do(f"{CONFIGURE} --dir {TLS} --dry-run")
    assert host.do("cat /etc/docker/daemon.json") == ORIGINAL
    printed = host.do(f"{CONFIGURE} --dir {TLS} --yes")
    assert "restart it now and after each renewal" in printed
    assert "warning: no dockerd runs here whose flags could be examined" in printed
    # The directory is as before.
    assert "no changes needed" in host.do(f"{CONFIGURE} --yes")
    host.do(START)
    host.do("dockertls-vault check 127.0.0.1 --certs /srv/client")
    status, printed = host.run("dockertls-vault daemon restart")
    assert (status, "restart dockerd as this host starts it" in printed) == (69, True)
    # Nothing can restart it, so that no hook runs that would fail.
    assert "daemon restart" not in host.do(f"dockertls-vault renew --force {TLS}")
    host.do(STOP)
    assert "they are in effect until dockerd is restarted" in host.do(f"{CONFIGURE} --remove --yes")
    assert host.do("cat /etc/docker/daemon.json") == ORIGINAL
    assert "no changes needed" in host.do(f"{CONFIGURE} --remove --yes")
    assert host.run("ls /var/lib/dockertls-vault/daemon/set-up.json")[0] == 2


def test_flags_of_the_daemon_that_runs(host: Host) -> None:
    """One that would not start with both is refused; other flags say which file it reads."""
    host.do(f"{CONFIGURE} --print flags --dir {TLS} >/srv/flags 2>/dev/null")
    host.do(START.replace("dockerd >", "sh /srv/flags >"))
    status, printed = host.run(f"{CONFIGURE} --dir {TLS} --yes")
    host.do(STOP)
    assert (status, host.do("cat /etc/docker/daemon.json")) == (78, ORIGINAL), printed
    assert "error: dockerd has settings that clash with the set-up" in printed
    for flag, key in {
        "--host=unix:///var/run/docker.sock": "hosts",
        "--host=tcp://[::]:2376": "hosts",
        "--tlsverify": "tlsverify",
        f"--tlskey={TLS}/server-key.pem": "tlskey",
    }.items():
        assert f"{flag}: dockerd refuses to start if daemon.json has {key}, too" in printed, printed

    host.do("echo '{}' >/srv/other.json")
    start = START.replace("dockerd >", "dockerd --live-restore --config-file=/srv/other.json >")
    host.do(start)
    assert "no dockerd runs" not in host.do(f"{CONFIGURE} --dir {TLS} --yes")
    host.do(f"{STOP}\n{start}")
    host.do("dockertls-vault check 127.0.0.1 --certs /srv/client")
    host.do(STOP)
    host.do(f"{CONFIGURE} --remove --yes")
    assert host.do("cat /etc/docker/daemon.json /srv/other.json") == f"{ORIGINAL}{{}}\n"


def test_edit_since_the_plan_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was planned before an edit, as while the question is open, is not applied."""
    file, state, tls = tmp_path / "daemon.json", tmp_path / "state", tmp_path / "tls"
    command = ("dockerd", "--config-file", str(file))
    monkeypatch.setattr(configure_file, "_service", lambda: Service(command, "inactive"))
    tls.mkdir()
    now = datetime.now(UTC)
    change = configure_file.set_up(state, Wanted(place(tls)), now)
    file.write_text(ORIGINAL)
    with pytest.raises(ConflictingState, match="has changed since the plan was made"):
        configure.apply(change, client=None, timeout=timedelta(seconds=1), now=lambda: now)
    assert file.read_text() == ORIGINAL
    assert not (state / "daemon" / "set-up.json").exists()


def test_cas_of_before_are_compared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The outcome has those whose clients dockerd then rejects, but not once it is set up."""
    file, state, tls = tmp_path / "daemon.json", tmp_path / "state", tmp_path / "tls"
    service = Service(("dockerd", "--config-file", str(file)), "inactive")
    monkeypatch.setattr(configure_file, "_service", lambda: service)
    tls.mkdir()
    wanted, now, old = Wanted(place(tls)), datetime.now(UTC), Authority.create("by hand")
    (tmp_path / "ca.pem").write_bytes(old.pem)
    file.write_text(json.dumps({"tlsverify": True, "tlscacert": str(tmp_path / "ca.pem")}))
    change = configure_file.set_up(state, wanted, now)
    outcome = configure.apply(change, client=None, timeout=timedelta(seconds=1), now=lambda: now)
    assert [ca.subject for ca in outcome.removed_cas] == ["CN=by hand"]
    assert configure.preview(configure_file.set_up(state, wanted, now).plan).removed_cas == ()


def test_hosts_of_others_beside_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """They stay, as do those that are added, except on TCP: those would be left without TLS."""
    file, state, tls = tmp_path / "daemon.json", tmp_path / "state", tmp_path / "tls"
    service = Service(("dockerd", "--config-file", str(file)), "inactive")
    monkeypatch.setattr(configure_file, "_service", lambda: service)
    tls.mkdir()
    place(tls)
    now, second = datetime.now(UTC), timedelta(seconds=1)

    def set_up_hosts() -> list[str]:
        change = configure_file.set_up(state, Wanted(tls), now)
        configure.apply(change, client=None, timeout=second, now=lambda: now)
        found: list[str] = json.loads(file.read_text())["hosts"]
        return found

    ours = ["unix:///var/run/docker.sock", "tcp://[::]:2376"]
    local, tcp = "unix:///o", "tcp://:2377"
    before = "tcp://0.0.0.0:2376"
    file.write_text(json.dumps({"hosts": [local, before]}))
    assert set_up_hosts() == [*ours, local]
    edited = {**json.loads(file.read_text()), "hosts": [*ours, local, tcp]}
    file.write_text(json.dumps(edited))
    with pytest.raises(ConflictingState, match="in plaintext"):
        configure_file.take_back(state)
    with pytest.raises(ConflictingState, match="in plaintext"):
        set_up_hosts()
    assert json.loads(file.read_text())["hosts"] == [*ours, local, tcp]
    file.write_text(json.dumps({**edited, "hosts": [*ours, local, "unix:///p"]}))
    assert set_up_hosts() == [*ours, local, "unix:///p"]
    warning = f"{before} will be open without TLS again"
    assert warning not in caplog.text
    removal = configure_file.take_back(state)
    assert warning in caplog.text
    configure.apply(removal, client=None, timeout=second, now=lambda: now)
    assert json.loads(file.read_text()) == {"hosts": [local, before, "unix:///p"]}


def test_set_up_under_systemd_is_not_changed_without_it(tmp_path: Path) -> None:
    """As in a chroot: it would not be restarted, and ``hosts`` would stop it at the next boot."""
    state, tls = tmp_path / "state", tmp_path / "tls"
    tls.mkdir()
    Records(state).write(set_up(None)[0])
    with pytest.raises(ConflictingState, match="systemd does not run here"):
        configure_file.take_back(state)
    with pytest.raises(ConflictingState, match="systemd does not run here"):
        configure_file.set_up(state, Wanted(place(tls)), datetime.now(UTC))


def test_file_that_is_mounted_read_only_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before anything is touched, by the set-up and by its removal."""
    file, state, tls = tmp_path / "daemon.json", tmp_path / "state", tmp_path / "tls"
    service = Service(("dockerd", "--config-file", str(file)), "inactive")
    monkeypatch.setattr(configure_file, "_service", lambda: service)
    tls.mkdir()
    wanted, now = Wanted(place(tls)), datetime.now(UTC)
    real = os.statvfs(tmp_path)
    read_only = os.statvfs_result((*real[:8], os.ST_RDONLY, real[9]))

    with monkeypatch.context() as mounted:
        mounted.setattr(os, "statvfs", lambda _: read_only)
        with pytest.raises(CannotWrite, match="cannot be changed: its file system"):
            configure_file.set_up(state, wanted, now)
    change = configure_file.set_up(state, wanted, now)
    configure.apply(change, client=None, timeout=timedelta(seconds=1), now=lambda: now)
    monkeypatch.setattr(os, "statvfs", lambda _: read_only)
    with pytest.raises(CannotWrite, match="cannot be changed: its file system"):
        configure_file.take_back(state)
