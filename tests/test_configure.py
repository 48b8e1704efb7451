"""dockerd on real hosts with systemd, set up, proven and taken back."""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from .harness.host import Host, running_host

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from .harness.engine import Engine

pytestmark = pytest.mark.slow

CONFIGURE = "dockertls-vault daemon configure"
JSON = "/etc/docker/daemon.json"
UNITS = "/etc/systemd/system"
SOCKET = "docker-tls.socket"
STATE = "/var/lib/dockertls-vault/daemon"
OTHER = f"{UNITS}/docker.service.d/other.conf"
EXEC_START = "ExecStart=\nExecStart=dockerd -H fd://"
RESTART = (
    "systemctl daemon-reload; systemctl reset-failed docker.service; "
    "systemctl restart docker.service"
)
# An image of what the host has: it has no network.
IMAGE = """\
mkdir /opt/image
for file in /usr/bin/sleep $(ldd /usr/bin/sleep | grep -o '/[^ ]*'); do
    mkdir -p /opt/image$(dirname $file)
    cp -L $file /opt/image$file
done
tar -C /opt/image -c . | docker import - sleeper
"""
# A CA, credentials, and a container.
PREPARE = f"""\
set -e
dockertls-vault ca init --allow-any-name --yes
dockertls-vault issue server
dockertls-vault issue client
useradd --create-home alice
{IMAGE}
docker run --detach --name ours --network none --stop-signal KILL sleeper /usr/bin/sleep infinity
"""
# What `daemon configure` may change: names, modes, owners, targets and contents.
FILES = """\
places="/etc/docker /etc/systemd/system /srv -path /etc/docker/tls -prune -o"
find $places -printf '%p %m %U:%G %l\\n' | sort
find $places -type f -print0 | sort -z | xargs -0 sha256sum
"""
# After a test that failed, so that the others do not.
TIDY = f"""\
{CONFIGURE} --remove --yes --quiet
rm -rf {JSON} {UNITS}/docker-tls.socket* {UNITS}/docker.service.d
docker swarm leave --force
systemctl daemon-reload
systemctl reset-failed docker.service
systemctl stop docker-tls.socket
systemctl restart docker.socket docker.service
docker start ours
"""
# The engine answers at its unix socket, and the container has not been restarted.
WORKS = "docker info --format '{{.LiveRestoreEnabled}}'; docker inspect -f '{{.State.Pid}}' ours"
PLAINTEXT = """\
python3 - <<'END'
import socket
try:
    with socket.create_connection(("127.0.0.1", 2376), 20) as connection:
        connection.sendall(b"GET /version HTTP/1.1\\r\\nHost: a\\r\\nConnection: close\\r\\n\\r\\n")
        print(connection.recv(100)[:28].decode())
except ConnectionRefusedError:
    print("refused")
END
"""

# A script that gives dockerd a copy of daemon.json, which a reload reads again.
COPIES = """\
#!/bin/sh
cp /etc/docker/daemon.json /run/copy.json || echo '{}' >/run/copy.json
exec dockerd --config-file=/run/copy.json "$@"
"""
# One that stays the main process, with what socket activation needs: sd_listen_fds(3).
STAYS = """\
#!/bin/bash
sh -c 'LISTEN_PID=$$ exec dockerd "$@"' sh "$@" &
trap 'kill $!; wait $!; exit' TERM
wait $!
"""


# Edits of the daemon.json that is set up, after which dockerd would not verify its clients, or only
# by the CAs of the host: it takes the last of two values.
WITHOUT_TLS = (
    "/tlsverify/d",
    "/tlscacert/d",
    '/tlscacert/s|"/.*"|""|',
    '$s|}|,"tlsverify": false}|',
    '$s|}|,"tlsverify": null}|',
    r'$s|}|,"tlsverify"\n:\nfalse}|',
    r'$s|}|,"tls\\u0076erify": false}|',
    '$s|}|,"tlscacert": ""}|',
)
# Drop-ins with which dockerd still reads the daemon.json that is set up.
WITHOUT_EFFECT = (
    "Environment=PATH=/usr/sbin:/sbin",
    "Environment=OLD_OPTS=--config-file=/opt/other.json",
)


@contextmanager
def prepared(engine: Engine, image: str, program: Path) -> Iterator[Host]:
    """Boot a host with a CA, credentials and a container."""
    with running_host(engine, image, program) as booted:
        booted.do(PREPARE)
        yield booted


@pytest.fixture(scope="module")
def host(engine: Engine, host_image: str, host_program: Path) -> Iterator[Host]:
    """Return a host with Docker 20.10, which has no --validate."""
    with prepared(engine, host_image, host_program) as booted:
        yield booted


@pytest.fixture(scope="module")
def newer_host(engine: Engine, newer_host_image: str, newer_host_program: Path) -> Iterator[Host]:
    """Return a host with Docker 26.1, which has it."""
    with prepared(engine, newer_host_image, newer_host_program) as booted:
        yield booted


# With the others of the same image, which workers.py cannot know.
HOSTS = {"host": "engine", "newer_host": "newer_host_image"}


@pytest.fixture(
    params=[pytest.param(name, marks=pytest.mark.xdist_group(HOSTS[name])) for name in HOSTS]
)
def each_host(request: pytest.FixtureRequest) -> Host:
    """Return one host after the other."""
    found: Host = request.getfixturevalue(request.param)
    return found


@contextmanager
def unchanged(host: Host) -> Iterator[None]:
    """Fail unless what was there before is there afterwards, to the byte, and the same runs."""
    before, running = host.do(FILES), host.do(WORKS)
    try:
        yield
        assert host.do(FILES) == before
        assert host.do(WORKS) == running
    except BaseException:
        host.run(TIDY)
        raise


@contextmanager
def written(host: Host, path: str, content: str, then: str = "true") -> Iterator[None]:
    """Write a file in the meantime; run ``then`` after both changes."""
    host.do(f"mkdir -p $(dirname {path}); cat >{path} <<'END'\n{content}\nEND\n{then}")
    try:
        yield
    finally:
        host.do(f"rm {path}; rmdir --ignore-fail-on-non-empty $(dirname {path}); {then}")


def set_up(host: Host, *options: str) -> Any:
    """Set the host up, and return the result."""
    return json.loads(host.do(f"{CONFIGURE} --yes -qo json {' '.join(options)}"))["data"]


def remove(host: Host) -> Any:
    """Take the set-up back, and return the result."""
    return set_up(host, "--remove")


def refused(host: Host, *options: str) -> tuple[int, str]:
    """Return the exit status and the messages of a set-up that must fail."""
    return host.run(f"{CONFIGURE} --yes --quiet {' '.join(options)} 2>&1 >/dev/null")


def test_set_up_and_taken_back(each_host: Host) -> None:
    """The plan is shown; nothing stops; a second run changes nothing; then all is as before."""
    host = each_host
    text = '{\\r\\n    "debug": true,\\r\\n    "labels": ["a=b"]\\r\\n}'
    host.do(f"mkdir -p /etc/docker; printf '{text}' >{JSON}; chmod 640 {JSON}")
    with unchanged(host):
        before = host.do(FILES)
        planned = host.do(f"{CONFIGURE} --dry-run")
        assert "- restart docker.service\n" in planned
        assert '+    "tlsverify": true,\n' in planned
        assert host.do(FILES) == before
        result = set_up(host)
        assert (result["applied"], result["listen"], result["stopped"]) == (True, ["[::]:2376"], [])
        *_, proof = result["proofs"]
        found = {check["check"]: check["result"] for check in proof["report"]["checks"]}
        assert (found["version"], found["plaintext"], found["trust"]) == ("ok", "ok", "ok")
        assert host.do(WORKS).startswith("true\n")
        assert "    " in host.do(f"grep tlscacert {JSON}")
        assert host.do(f"{CONFIGURE} --quiet") == "no changes needed\n"
        assert host.do(PLAINTEXT).startswith("HTTP/1.0 400")
        verified = host.run(f"systemd-analyze verify --man=no docker.service {SOCKET} 2>&1")[1]
        assert SOCKET not in verified
        assert host.run(f"systemctl is-enabled {SOCKET}")[1] == "static\n"
        assert remove(host)["applied"]
        assert host.do(f"{CONFIGURE} --remove") == "no changes needed\n"
        assert host.do(PLAINTEXT) == "refused\n"
        assert host.do(f"ls {STATE}") == "lock\n"
    host.do(f"rm {JSON}")


def test_failed_check_is_put_back(host: Host) -> None:
    """Set up, a failed check, put back, set up again: dockerd is up each time.

    With Docker's start limit, of three starts in a minute, for an hour.
    """
    limit = "[Unit]\nStartLimitBurst=3\nStartLimitIntervalSec=1h"
    elsewhere = "[Socket]\nListenStream=\nListenStream=2399"
    with (
        written(host, f"{UNITS}/docker.service.d/limit.conf", limit, "systemctl daemon-reload"),
        unchanged(host),
    ):
        with written(host, f"{UNITS}/{SOCKET}.d/elsewhere.conf", elsewhere), unchanged(host):
            status, printed = refused(host)
            assert (status, "what was there before is back" in printed) == (78, True), printed
            assert "[::]:2376: connect: cannot connect to 127.0.0.1:2376" in printed
        set_up(host)
        with written(host, f"{UNITS}/{SOCKET}.d/elsewhere.conf", elsewhere):
            assert refused(host, "--listen 2377")[0] == 78
        host.do(f"systemctl daemon-reload; systemctl stop {SOCKET}")
        host.do("systemctl reset-failed docker.service; systemctl restart docker.service")
        assert host.do(PLAINTEXT).startswith("HTTP/1.0 400")
        assert host.do(f"{CONFIGURE} --quiet") == "no changes needed\n"
        with written(host, f"{UNITS}/{SOCKET}.d/elsewhere.conf", elsewhere):
            host.do(f"systemctl daemon-reload; systemctl stop {SOCKET}")
            host.do("systemctl reset-failed docker.service; systemctl restart docker.service")
            assert "restart docker.service" in host.do(f"{CONFIGURE} --dry-run")
        host.do("systemctl daemon-reload")
        assert set_up(host)["applied"]
        assert host.do(PLAINTEXT).startswith("HTTP/1.0 400")
        remove(host)


def test_daemon_that_does_not_start_is_put_back(host: Host) -> None:
    """What dockerd accepted in the trial can still fail; containers survive that, too."""
    fails = "[Service]\nExecStartPre=/bin/sh -c '! grep tlsverify /etc/docker/daemon.json'"
    path = f"{UNITS}/docker.service.d/fails.conf"
    with written(host, path, fails, "systemctl daemon-reload"), unchanged(host):
        status, printed = refused(host)
        assert (status, "the restart of docker.service failed" in printed) == (78, True), printed
    assert host.do("systemctl show --property=LoadState docker-tls.socket") == (
        "LoadState=not-found\n"
    )


def interrupted(host: Host, number: str, options: str = "") -> tuple[int, str]:
    """Send a signal to a run that waits for the restart; return its status and its messages."""
    return host.run(
        f"touch /run/hold; set -m; {CONFIGURE} --yes {options} 2>/opt/messages >/dev/null &\n"
        "timeout 60 sh -c 'until grep ^restart /opt/messages; do sleep 0.1; done' >/dev/null\n"
        f"kill -{number} $!; rm /run/hold; wait $!; status=$?; cat /opt/messages; exit $status"
    )


def test_interrupted_run_leaves_nothing_halfway(host: Host) -> None:
    """Systemd completes the restart; then a set-up is put back, and a removal is to be repeated."""
    held = "[Service]\nExecStartPre=/bin/sh -c 'while test -e /run/hold; do sleep 0.1; done'"
    path = f"{UNITS}/docker.service.d/held.conf"
    with written(host, path, held, "systemctl daemon-reload"), unchanged(host):
        status, printed = interrupted(host, "INT")
        assert (status, printed.splitlines()[-1]) == (
            130,
            "warning: the set-up was interrupted; what was there before is back",
        )
        assert host.do(f"ls {STATE}") == "lock\n"
        set_up(host)
        status, printed = interrupted(host, "TERM", "--remove")
        *_, said = printed.splitlines()
        assert (status, "docker.service is" in said) == (143, False), said
        assert said.startswith(
            "warning: the removal is not complete; run it again: it has yet to "
        ), said
        remove(host)


def test_removal_whose_restart_fails_says_what_is_left(host: Host) -> None:
    """What is not done, and how dockerd is started; the next run completes the removal."""
    fails = "[Service]\nExecStartPre=false\nRestart=no"
    path = f"{UNITS}/docker.service.d/fails.conf"
    with unchanged(host):
        set_up(host)
        with written(host, path, fails, "systemctl daemon-reload"):
            status, printed = refused(host, "--remove")
        assert (status, "it has yet to restart docker.service; edit " in printed) == (78, True)
        assert "docker.service is failed: once the cause is gone, `sudo systemctl" in printed
        assert "hint: see its log: journalctl -u docker.service" in printed
        host.do("systemctl reset-failed docker; systemctl start docker")
        remove(host)


def test_other_daemon_is_not_taken_for_it(host: Host) -> None:
    """A client credential that was named must be accepted."""
    host.do("dockertls-vault issue client --dir /opt/other --ttl 1s; sleep 1")
    with unchanged(host):
        status, printed = refused(host, "--certs /opt/other")
        assert (status, "connect with the client certificate" in printed) == (78, True), printed


REFUSED = {
    "unknown key": (f"""echo '{{"foo": 1}}' >{JSON}""", "", "any configuration option: foo", 78),
    "fifo": (f"mkfifo {JSON}", "", "is not a regular file", 78),
    "unit": (f"echo '[Socket]' >{UNITS}/{SOCKET}", "", "not written by dockertls-vault", 73),
    "port": ("", "--listen 8200", "in use", 78),
    "address": ("", "--listen 10.9.9.9", "cannot assign requested address", 78),
    "owner": (
        "dockertls-vault issue server --host a --dir /opt/alice --owner alice",
        "--dir /opt/alice",
        "/opt/alice belongs to alice",
        78,
    ),
    "settings": (
        f"mkdir -p /etc/docker; echo '{{}}' >{JSON}; chmod 646 {JSON}; chown alice {JSON}",
        "",
        f"{JSON} belongs to alice",
        78,
    ),
    "expired": (
        "dockertls-vault issue server --host a --dir /opt/expired --ttl 1s; sleep 1",
        "--dir /opt/expired",
        "it expired at",
        65,
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused_before_anything_is_touched(host: Host, case: str) -> None:
    """With the reason; nothing was changed, and dockerd was not even reloaded."""
    prepare, options, words, expected = REFUSED[case]
    host.do(prepare or "true")
    try:
        started = host.do("systemctl show --property=MainPID docker.service")
        with unchanged(host):
            status, printed = refused(host, options)
            assert (status, words in printed) == (expected, True), printed
        assert host.do("systemctl show --property=MainPID docker.service") == started
    finally:
        host.do(f"rm -f {UNITS}/{SOCKET}; rm -rf {JSON}")


def test_newer_daemon_validates(newer_host: Host) -> None:
    """It names the file that has the fault, and no copy of it."""
    with written(newer_host, JSON, '{"foo": 1}'), unchanged(newer_host):
        status, printed = refused(newer_host)
        assert (status, "any configuration option: foo" in printed) == (78, True), printed
        assert f"file {JSON}:" in printed


def test_trial_leaves_nothing(host: Host) -> None:
    """No process, file, network or namespace of containerd, nor a unit."""
    seen = (
        "ls -A /run /tmp; ls /var/lib/docker /run/docker; ip -o link; pgrep -c dockerd; "
        "ctr namespaces list; systemctl list-units --all --plain --no-legend 'dockertls*'"
    )
    before = host.do(seen)
    host.do(f"{CONFIGURE} --dry-run")
    assert host.do(seen) == before


def test_set_up_by_hand_is_recorded(host: Host) -> None:
    """That of --print systemd, where it listens; a check that fails leaves it as it was."""
    before = host.do(FILES)
    host.do(f"{CONFIGURE} --print systemd --listen 2377 >/run/commands 2>/dev/null")
    host.do("bash /run/commands")
    try:
        by_hand = host.do(FILES)
        status, printed = refused(host, "--remove")
        assert (status, f"`sudo systemctl stop {SOCKET}`, remove" in printed) == (78, True), printed
        host.do("dockertls-vault issue client --dir /opt/late --ttl 1s; sleep 1")
        assert refused(host, "--certs /opt/late")[0] == 78
        assert host.do(FILES) == by_hand
        host.do("dockertls-vault check localhost:2377")
        assert set_up(host)["listen"] == ["[::]:2377"]
        host.do("dockertls-vault check localhost:2377")
        remove(host)
        assert host.run(f"cat {JSON}")[0] == 1
        assert host.run(f"systemctl is-active {SOCKET}")[1] == "inactive\n"
        host.do(f"rmdir {UNITS}/docker.service.d")
        assert host.do(FILES) == before
    finally:
        host.run(TIDY)


def test_addresses(host: Host) -> None:
    """Only those named; other ones take their place, and without any the last ones stay."""
    with unchanged(host):
        result = set_up(host, "--listen 10.0.0.7", "--listen 127.0.0.1:2377")
        assert [proof["listen"] for proof in result["proofs"]] == [
            "10.0.0.7:2376",
            "127.0.0.1:2377",
        ]
        assert host.do(PLAINTEXT) == "refused\n"
        assert host.do(f"{CONFIGURE} --quiet") == "no changes needed\n"
        assert set_up(host, "--listen 2376")["listen"] == ["[::]:2376"]
        assert host.do(PLAINTEXT).startswith("HTTP/1.0 400")
        assert "2377" not in host.do("ss -ltnH")
        remove(host)


def test_addresses_of_ipv6(host: Host) -> None:
    """One alone; and a port is that of both families, whatever net.ipv6.bindv6only is."""
    if host.run("ip address show | grep -q inet6")[0]:
        pytest.skip("this machine has no IPv6")
    opened = "ss -ltnH | grep -o '[^ ]*:237[67] '"
    with unchanged(host):
        result = set_up(host, "--listen [::1]:2377")
        assert [proof["listen"] for proof in result["proofs"]] == ["[::1]:2377"]
        assert host.do(opened).split() == ["[::1]:2377"]
        host.do("mount -o remount,rw /proc/sys && echo 1 >/proc/sys/net/ipv6/bindv6only")
        result = set_up(host, "--listen 2376")
        assert [proof["report"]["endpoint"] for proof in result["proofs"]] == [
            "tcp://[::1]:2376",
            "tcp://127.0.0.1:2376",
        ]
        for address in ("127.0.0.1", "::1"):
            host.do(f"exec 3<>/dev/tcp/{address}/2376")
        remove(host)
        host.do("echo 0 >/proc/sys/net/ipv6/bindv6only")


def test_stopped_daemon_stays_so(host: Host) -> None:
    """It is set up for its next start, which the next run proves; or it is taken back."""
    host.do("docker stop --time 0 ours; systemctl stop docker.socket docker.service")
    before = host.do(FILES)
    for _ in range(2):
        assert set_up(host)["proofs"] == []
        assert host.do(f"{CONFIGURE} --quiet") == "no changes needed\n"
        remove(host)
        assert "sudo systemctl start docker`" in host.do(f"{CONFIGURE} --yes")
        assert host.run("systemctl is-active docker.service")[1] == "inactive\n"
        remove(host)
        assert host.do(FILES) == before
    set_up(host)
    host.do("systemctl start docker.service; docker start ours")
    with unchanged(host):
        assert {proof["listen"] for proof in set_up(host)["proofs"]} == {"[::]:2376"}
    remove(host)
    assert host.do(FILES) == before


def test_containers_that_docker_removes_are_named(each_host: Host) -> None:
    """Docker 20.10 does not restore what was started with --rm: moby#46308."""
    host = each_host
    try:
        host.do("docker run --rm -d --name fleeting --network none sleeper /usr/bin/sleep infinity")
        is_old = host.do("docker version --format '{{.Server.Version}}'").startswith("20.")
        status, printed = host.run(f"{CONFIGURE} --quiet")
        assert (status, "started with --rm)\n  - fleeting\n" in printed) == (78, is_old), printed
        assert ("which stops no container" in printed) is not is_old
        assert set_up(host, "--dry-run")["stopped"] == (["fleeting"] if is_old else [])
    finally:
        host.do("docker rm --force fleeting")


def test_swarm_asks_before_it_stops_containers(host: Host) -> None:
    """live-restore is left out there; without a terminal, only --yes is consent."""
    host.do("docker swarm init --advertise-addr 10.0.0.7")
    try:
        with unchanged(host):
            status, printed = host.run(f"{CONFIGURE} --quiet")
            assert (status, "which stops these containers" in printed) == (78, True)
            assert "error: there is no terminal to ask on, so nothing was changed: " in printed
            assert printed.endswith("  - ours\nhint: use --yes to confirm\n")
        assert set_up(host)["stopped"] == ["ours"]
        assert "live-restore" not in host.do(f"cat {JSON}")
        remove(host)
    finally:
        host.do("docker swarm leave --force; docker start ours")


@contextmanager
def wrapped(host: Host, script: str) -> Iterator[None]:
    """Have systemd start dockerd by a script in the meantime."""
    content = "[Service]\nExecStart=\nExecStart=/opt/wrapper -H fd://\nNotifyAccess=all"
    then = "systemctl daemon-reload; systemctl reset-failed docker; systemctl restart docker"
    host.do(f"cat >/opt/wrapper <<'END'\n{script}END\nchmod +x /opt/wrapper")
    with written(host, f"{UNITS}/docker.service.d/wrapper.conf", content, then):
        host.do("docker start ours")
        yield
    host.do("docker start ours")


def test_reload_without_effect_asks_before_it_stops_containers(host: Host) -> None:
    """Once what was there before is back; live-restore is on after the restart."""
    with wrapped(host, COPIES):
        with unchanged(host):
            typed = f"printf 'y\\nn\\n' | script -qec '{CONFIGURE} --quiet >/dev/null' /dev/null"
            status, printed = host.run(typed)
            assert (status, printed.count("continue?")) == (78, 2), printed
            assert "did not switch live-restore on when it was reloaded: a restart stops ours" in (
                printed
            )
            assert printed.rstrip().endswith("not confirmed: nothing was changed")
        assert set_up(host, "2>/dev/null")["stopped"] == ["ours"]
        assert host.do("docker info --format '{{.LiveRestoreEnabled}}'") == "true\n"
        assert host.do(f"{CONFIGURE} --quiet") == "no changes needed\n"
    remove(host)


def test_script_that_has_dockerd_read_another_file_is_refused(host: Host) -> None:
    """It would serve its API in plaintext on the socket until that is found out."""
    host.do("echo '{}' >/etc/prod.json")
    script = '#!/bin/sh\nexec dockerd "$@" --config-file=/etc/prod.json\n'
    with wrapped(host, script), unchanged(host):
        started = host.do("systemctl show --property=MainPID docker.service")
        status, printed = refused(host)
        assert (status, "reads /etc/prod.json in place of" in printed) == (78, True), printed
        assert host.do("systemctl show --property=MainPID docker.service") == started


@pytest.mark.parametrize("setting", ["User=alice", "RootDirectory=/opt"])
def test_dockerd_of_another_user_or_root_is_refused(host: Host, setting: str) -> None:
    """It could not use the files."""
    path, reload = f"{UNITS}/docker.service.d/other.conf", "systemctl daemon-reload"
    with unchanged(host), written(host, path, f"[Service]\n{setting}", reload):
        status, printed = refused(host)
        assert (status, f"- {setting}\n" in printed) == (78, True), printed


def test_script_that_starts_dockerd_is_not_reloaded(host: Host) -> None:
    """A SIGHUP would end it. The plan says what stops; live-restore is on, and stays so."""
    with wrapped(host, STAYS):
        before = host.do(FILES)
        assert host.do(WORKS).startswith("false\n")
        status, printed = host.run(f"{CONFIGURE} --quiet 2>&1 >/dev/null")
        assert (status, printed.endswith("  - ours\nhint: use --yes to confirm\n")) == (78, True)
        assert set_up(host)["stopped"] == ["ours"]
        host.do("docker start ours")
        running = host.do(WORKS)
        assert running.startswith("true\n")
        printed = host.do(f"{CONFIGURE} --remove --yes --quiet 2>&1 >/dev/null")
        assert "its next restart stops containers" in printed
        assert (host.do(WORKS), host.do(FILES)) == (running, before)


def test_plaintext_is_never_served(host: Host) -> None:
    """Not even if somebody replaces daemon.json: the socket is closed, and opened again after."""
    restart = "systemctl reset-failed docker.service; systemctl restart docker.service"
    with unchanged(host):
        set_up(host)
        host.do(f"cp -p {JSON} /opt/ours.json")
        for edit in WITHOUT_TLS:
            host.do(f"sed '{edit}' /opt/ours.json >{JSON}; {restart}")
            assert host.do(PLAINTEXT) == "refused\n", edit
            host.do(f"docker version; cp /opt/ours.json {JSON}; {restart}")
            assert host.do(PLAINTEXT).startswith("HTTP/1.0 400"), edit
        remove(host)


def test_socket_is_opened_however_often_docker_starts(host: Host) -> None:
    """By default, systemd starts a unit no more than five times in ten seconds."""
    reopen = "systemctl stop docker-tls.socket && systemctl start docker-tls.socket"
    with unchanged(host):
        set_up(host)
        host.do("systemctl stop docker.socket docker.service")
        host.do(f"for _ in $(seq 20); do {reopen} || exit; done")
        host.do("systemctl start docker.socket; systemctl restart docker.service")
        assert host.do(PLAINTEXT).startswith("HTTP/1.0 400")
        remove(host)


@pytest.mark.parametrize(
    "content",
    [
        f"{EXEC_START} --config-file /opt/other.json",
        f"{EXEC_START} --config-file={JSON} --config-file /opt/other.json",
        "Environment='DOCKER_OPTS=--config-file  /opt/other.json'",
        f"Environment=FILE=/opt/other.json\n{EXEC_START} --config-file ${{FILE}}",
    ],
    ids=["flag", "last", "variable", "value"],
)
def test_plaintext_is_not_served_with_another_file(host: Host, content: str) -> None:
    """Whoever has dockerd read one without TLS gets no port, until it configures TLS, too."""
    with unchanged(host):
        set_up(host)
        host.do("echo '{\"live-restore\": true}' >/opt/other.json")
        with written(host, OTHER, f"[Service]\n{content}", RESTART):
            assert host.do(PLAINTEXT) == "refused\n"
            host.do(f"docker version; cp {JSON} /opt/other.json; {RESTART}")
            assert host.do(PLAINTEXT).startswith("HTTP/1.0 400")
        assert host.do(PLAINTEXT).startswith("HTTP/1.0 400")
        remove(host)


def test_plaintext_is_not_served_whatever_else_a_unit_sets(host: Host) -> None:
    """Neither PATH nor a variable that dockerd does not use has the socket opened, or closed."""
    with unchanged(host):
        set_up(host)
        host.do(f"cp -p {JSON} /opt/other.json")
        for content in WITHOUT_EFFECT:
            with written(host, OTHER, f"[Service]\n{content}", RESTART):
                assert host.do(PLAINTEXT).startswith("HTTP/1.0 400"), content
                host.do(f"sed -i /tlsverify/d {JSON}; {RESTART}")
                assert host.do(PLAINTEXT) == "refused\n", content
                host.do(f"cp -p /opt/other.json {JSON}")
        remove(host)


def test_check_for_tls_cannot_be_switched_off_unnoticed(host: Host) -> None:
    """An ordinary drop-in does not; one that does is refused, and reported, as is a lost one."""
    reset, reload = "[Service]\nExecStartPre=", "systemctl daemon-reload"
    unguarded = "docker-tls.socket is opened without a check for TLS"
    doctor = "dockertls-vault daemon doctor || true"
    with unchanged(host):
        with written(host, f"{UNITS}/docker.service.d/zzz.conf", reset, reload), unchanged(host):
            status, printed = refused(host)
            assert (status, "resets ExecStartPre=" in printed) == (78, True), printed
        set_up(host)
        with written(host, f"{UNITS}/docker.service.d/override.conf", reset, reload):
            assert host.do(f"{CONFIGURE} --quiet") == "no changes needed\n"
            assert unguarded not in host.do(doctor)
        with written(host, f"{UNITS}/docker.service.d/zzz.conf", reset, reload):
            status, printed = refused(host)
            assert (status, "resets ExecStartPre=" in printed) == (78, True), printed
            assert unguarded in host.do(doctor)
        host.do("systemctl revert docker.service 2>&1")
        assert f"{SOCKET} is set up, but closed" in host.do(doctor)
        assert set_up(host)["applied"]
        assert unguarded not in host.do(doctor)
        remove(host)


def test_socket_does_not_outlive_the_drop_in(each_host: Host) -> None:
    """Nor a dockerd that was stopped; systemd holds it while dockerd is restarted, or has ended."""
    host = each_host
    run, restart = f"systemctl show --property=InvocationID {SOCKET}", f"set -e; {RESTART}"
    with unchanged(host):
        set_up(host)
        opened = host.do(run)
        host.do(f"{restart}; systemctl kill --signal=KILL --kill-who=main docker.service")
        host.do("docker info; systemctl daemon-reload")
        assert host.do(run) == opened
        host.do(f"cp -p {JSON} /opt/ours.json; systemctl revert docker.service 2>&1")
        host.do(f"sed -i /tlsverify/d {JSON}; {restart}")
        assert host.do(PLAINTEXT) == "refused\n"
        printed = host.run("dockertls-vault daemon doctor")[1]
        assert f"{SOCKET} is set up, but closed" in printed
        assert "the drop-in for docker.service is missing" in printed
        host.do(f"cp -p /opt/ours.json {JSON}")
        set_up(host)
        assert host.do(PLAINTEXT).startswith("HTTP/1.0 400")
        host.do("systemctl stop docker.service")
        host.do(f"timeout 60 sh -c 'while systemctl is-active {SOCKET}; do sleep 0.1; done'")
        assert host.do(PLAINTEXT) == "refused\n"
        assert host.run("systemctl is-active docker.service")[1] == "inactive\n"
        host.do("docker info")
        assert host.do(PLAINTEXT).startswith("HTTP/1.0 400")
        remove(host)


def test_docker_does_not_start_if_its_socket_cannot_be_closed(host: Host) -> None:
    """It would serve plaintext; it starts once the socket is closed."""
    with unchanged(host):
        set_up(host)
        host.do(f"cp -p {JSON} /opt/ours.json")
        kept = f"{UNITS}/{SOCKET}.d/kept.conf"
        with written(host, kept, "[Unit]\nRefuseManualStop=yes", "systemctl daemon-reload"):
            host.do(f"sed -i /tlsverify/d {JSON}; systemctl reset-failed docker.service")
            assert host.run("systemctl restart docker.service")[0] == 1
            host.do("systemctl stop docker.service docker.socket")
        host.do(f"{RESTART}; docker version")
        assert host.do(PLAINTEXT) == "refused\n"
        host.do(f"cp -p /opt/ours.json {JSON}; {RESTART}")
        remove(host)


def test_set_up_is_of_one_file(host: Host) -> None:
    """If dockerd is told to read another file since, it has to be taken back first."""
    content = "[Service]\nEnvironment=DOCKER_OPTS=--config-file=/opt/other.json"
    with unchanged(host):
        set_up(host)
        with written(
            host, f"{UNITS}/docker.service.d/other.conf", content, "systemctl daemon-reload"
        ):
            status, printed = refused(host)
            assert (status, "configured by /opt/other.json now" in printed) == (78, True), printed
        remove(host)


def test_unit_files_that_systemd_has_not_read_are_refused(host: Host) -> None:
    """The set-up would put the edits of others into effect."""
    path, reload = f"{UNITS}/docker.service.d/other.conf", "systemctl daemon-reload"
    with written(host, path, "[Service]\nNice=1", reload), unchanged(host):
        host.do(f"sed -i s/1/2/ {path}")
        status, printed = refused(host)
        assert (status, "systemd has not read them since" in printed) == (78, True), printed
        assert f"sudo {reload}" in printed
        host.do(f"sed -i s/2/1/ {path}")


def test_second_run_meanwhile_is_refused(host: Host) -> None:
    """Both would edit the same files."""
    with unchanged(host):
        host.do(f"mkdir -p {STATE}; touch {STATE}/lock; chmod 600 {STATE}/lock")
        status, printed = host.run(f"flock {STATE}/lock {CONFIGURE} --yes --quiet 2>&1 >/dev/null")
        assert (status, "another dockertls-vault" in printed) == (75, True), printed


def test_only_root_with_systemd_and_docker(host: Host) -> None:
    """Each is said before anything is looked at."""
    status, printed = host.run(CONFIGURE, "alice")
    assert (status, "only root can set up dockerd" in printed) == (73, True)
    assert "for rootless Docker, use --print" in printed
    hidden = "unshare --mount sh -c 'mount -t tmpfs none /run/systemd && {}'"
    status, printed = host.run(hidden.format(f"{CONFIGURE} --take-over"))
    assert (status, "--take-over is for a dockerd that systemd runs" in printed) == (2, True)
    host.do("systemctl mask --runtime --quiet docker.service")
    status, printed = host.run(CONFIGURE)
    host.do("systemctl unmask --runtime --quiet docker.service")
    assert (status, "docker.service is masked" in printed) == (69, True)
