"""The restart of dockerd after a renewal, on a real host with systemd."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from .harness.host import Host, running_host
from .test_configure import IMAGE, PLAINTEXT
from .test_timer import MAKE_DUE, NEVER, SERVER, TIMER, drop_in, generations, shown, start

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from .harness.engine import Engine

pytestmark = pytest.mark.slow

RESTART = "dockertls-vault daemon restart"
HOOK = f"{RESTART} --if-needed"
DOCKER = "docker.service"
PREPARE = """\
set -e
dockertls-vault ca init --allow-any-name --yes
dockertls-vault issue server --ttl 7d
dockertls-vault daemon configure --yes
mkdir -p /etc/dockertls-vault
(umask 077; echo "$VAULT_TOKEN" >/etc/dockertls-vault/token)
printf '[vault]\\naddress = "%s"\\ntoken_file = "/etc/dockertls-vault/token"\\n' "$VAULT_ADDR" \\
    >/etc/dockertls-vault/config.toml
dockertls-vault renew --install-timer
"""


@pytest.fixture(scope="module")
def host(engine: Engine, host_image: str, host_program: Path) -> Iterator[Host]:
    """Return a host that `daemon configure` set up, with a timer that never elapses."""
    with running_host(engine, host_image, host_program) as booted:
        booted.do(PREPARE)
        with drop_in(booted, TIMER, NEVER):
            yield booted


def renew(host: Host) -> tuple[int, str]:
    """Let the timer's service renew the server; return its status and what it logged."""
    host.do(MAKE_DUE.format(SERVER))
    return start(host)


def until(condition: str) -> str:
    """Return a command that waits for a condition of the shell, which has no single quotes."""
    return f"timeout 60 sh -c 'until {condition}; do sleep 0.1; done'"


def pid(host: Host) -> str:
    """Return the process of dockerd, 0 if there is none."""
    return shown(host, "MainPID", DOCKER)


def wire(host: Host) -> str:
    """Return what dockerd presents, compared with the certificate on disk."""
    _, printed = host.run(f"dockertls-vault status {SERVER} -o json 2>/dev/null")
    (found,) = json.loads(printed)["data"]["credentials"]
    return str(found["wire"]["presented"])


def needs_renewal(host: Host) -> int:
    """Return the status of `needs-renewal`: 0 if something is pending, 1 if not."""
    return host.run(f"dockertls-vault needs-renewal {SERVER}")[0]


def test_set_up_leaves_no_restart_to_be_done(host: Host) -> None:
    """Dockerd has just been restarted with the certificate in use."""
    assert needs_renewal(host) == 1
    before = pid(host)
    assert (start(host)[0], pid(host)) == (0, before)


def test_renewal_by_the_timer_restarts_docker(host: Host) -> None:
    """Systemd holds the socket meanwhile, and dockerd presents the new certificate."""
    held, before, kept = (
        shown(host, "InvocationID", "docker-tls.socket"),
        pid(host),
        generations(host),
    )
    status, journal = renew(host)
    assert status == 0, journal
    assert "daemon restart" in journal
    assert "dockerd was restarted, and passed its check at [::]:2376" in journal
    assert generations(host) != kept
    assert pid(host) not in {"0", before}
    assert (wire(host), needs_renewal(host)) == ("same", 1)
    assert shown(host, "InvocationID", "docker-tls.socket") == held


@pytest.mark.parametrize("how", ["stop", "mask --now"])
def test_docker_that_was_stopped_stays_so(host: Host, how: str) -> None:
    """The hook has nothing to do: dockerd reads the new files when it is started."""
    host.do(f"systemctl {how} {DOCKER}")
    status, journal = renew(host)
    assert (status, shown(host, "ActiveState", DOCKER)) == (0, "inactive"), journal
    assert "dockerd is not running: nothing was restarted" in journal
    assert needs_renewal(host) == 1
    host.do(f"systemctl unmask {DOCKER}; systemctl reset-failed {DOCKER}; systemctl start {DOCKER}")
    assert wire(host) == "same"


def test_host_set_up_while_docker_was_stopped_is_proven_by_a_restart(host: Host) -> None:
    """The next `daemon configure` has nothing left to do, and does not restart it again."""
    host.do("dockertls-vault daemon configure --remove --yes")
    host.do(f"systemctl stop {DOCKER} docker.socket")
    host.do("dockertls-vault daemon configure --yes")
    host.do(f"systemctl start {DOCKER}; {RESTART}")
    before = pid(host)
    made = host.do("dockertls-vault daemon configure --yes -o json 2>/dev/null")
    assert (json.loads(made)["data"]["steps"], pid(host)) == ([], before)


def test_failed_check_is_remembered(host: Host) -> None:
    """`status` shows it, and the next run checks again, without a restart or a certificate."""
    elsewhere = "/run/systemd/system/docker-tls.socket.d/elsewhere.conf"
    anew = "systemctl daemon-reload; systemctl stop docker-tls.socket"
    host.do(
        f"mkdir $(dirname {elsewhere}); {anew}; "
        f"printf '[Socket]\\nListenStream=\\nListenStream=2399\\n' >{elsewhere}; {anew}"
    )
    status, journal = renew(host)
    assert (status, shown(host, "ExecMainStatus")) == (1, "71"), journal
    assert "[::]:2376: connect: cannot connect to 127.0.0.1:2376" in journal
    assert ": exit status 76; `renew` runs it again" in host.run("dockertls-vault status")[1]
    assert needs_renewal(host) == 0
    kept, before = generations(host), pid(host)
    status, journal = start(host)
    assert (status, shown(host, "ExecMainStatus"), pid(host)) == (1, "71", before), journal
    assert "docker.service was already restarted with these files" in journal
    host.do(f"rm -r $(dirname {elsewhere}); {anew}; touch /etc/docker/daemon.json")
    status, journal = start(host)
    assert (status, wire(host), needs_renewal(host)) == (0, "same", 1), journal
    assert (generations(host), pid(host) != before) == (kept, True)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("sed -i /tlsverify/d /etc/docker/daemon.json", "tlsverify in /etc/docker/daemon.json is"),
        ("systemctl revert docker.service", "docker.service is started without the check"),
    ],
)
def test_dockerd_that_would_lose_its_set_up_goes_on(host: Host, change: str, words: str) -> None:
    """It serves as before, until the set-up is complete again."""
    before = pid(host)
    host.do(change)
    status, printed = host.run(RESTART)
    assert (status, words in printed, pid(host)) == (78, True, before), printed
    assert wire(host) == "same"
    host.do("dockertls-vault daemon configure --yes")
    assert host.run(RESTART)[0] == 0


# A script that gives dockerd another file than that of the set-up.
INSTEAD = """\
echo '{"live-restore": true}' >/srv/other.json
printf '#!/bin/sh\\nexec dockerd --config-file=/srv/other.json "$@"\\n' >/srv/instead
chmod 755 /srv/instead
"""
START_INSTEAD = "[Service]\nExecStart=\nExecStart=/srv/instead -H fd://"
DROP_IN = "/etc/systemd/system/docker.service.d/zz-docker-tls.conf"


def test_dockerd_that_lets_anyone_in_has_its_port_closed(host: Host) -> None:
    """By the hook, which cannot write to /etc; no start opens it until the host is set up again."""
    host.do(INSTEAD)
    with drop_in(host, DOCKER, START_INSTEAD):
        status, journal = renew(host)
        assert (status, shown(host, "ExecMainStatus")) == (1, "71"), journal
        assert "connect in plaintext: Docker answers in plaintext" in journal
        assert "docker-tls.socket is closed, and dockerd restarted without it" in journal
        assert host.do(PLAINTEXT) == "refused\n"
        host.do(f"docker version; systemctl reset-failed {DOCKER}; systemctl restart {DOCKER}")
        assert host.do(PLAINTEXT) == "refused\n"
        status, printed = host.run(RESTART)
        assert (status, "started without the check for TLS" in printed) == (78, True), printed
    host.do(f"systemctl restart {DOCKER}; dockertls-vault daemon configure --yes")
    status, journal = start(host)
    assert (status, wire(host), needs_renewal(host)) == (0, "same", 1), journal


def test_closing_that_is_killed_is_completed(host: Host) -> None:
    """By systemd, from its first change of the host on."""
    host.do(INSTEAD)
    with drop_in(host, DOCKER, START_INSTEAD):
        gone = f"timeout 60 sh -c 'while test -e {DROP_IN}; do :; done'"
        status, printed = host.run(f"{RESTART} & {gone}; kill -KILL $!; wait $!")
        assert status == 137, printed
        host.do(until('[ -z "$(ss -ltnH sport = :2376)" ]'))
        assert host.do(PLAINTEXT) == "refused\n"
        host.do(until(f"systemctl is-active --quiet {DOCKER}"))
    host.do(f"systemctl restart {DOCKER}; dockertls-vault daemon configure --yes")


# What any user can run while Docker is stopped.
IMPOSTOR = f"""\
cat >/srv/impostor <<'END'
from http.server import BaseHTTPRequestHandler, HTTPServer

class Docker(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Api-Version", "1.41")
        self.send_header("Server", "Docker/20.10.24 (linux)")
        self.end_headers()
        self.wfile.write(b'{{"ApiVersion": "1.41", "Version": "20.10.24"}}')

HTTPServer(("127.0.0.1", 2376), Docker).serve_forever()
END
systemctl stop {DOCKER} docker.socket
systemd-run --quiet --collect --unit=impostor --uid=65534 python3 /srv/impostor
{until('[ -n "$(ss -ltnH sport = :2376)" ]')}
systemctl reset-failed {DOCKER}
systemctl start docker.socket {DOCKER}
"""


def test_port_that_another_user_took_is_not_that_of_dockerd(host: Host) -> None:
    """The set-up stays, although whoever answers there lets anyone in."""
    host.do(IMPOSTOR)
    status, printed = host.run(RESTART)
    assert (status, "what answers there is not dockerd on this host" in printed) == (76, True)
    assert "Docker answers in plaintext" in printed
    host.do(f"test -e {DROP_IN}; systemctl stop impostor; systemctl reset-failed {DOCKER}")
    host.do(f"systemctl restart {DOCKER}; {RESTART}")
    assert wire(host) == "same"


def test_port_that_was_not_closed_in_time_is_closed(host: Host) -> None:
    """By the next hook, although it does not restart a dockerd whose set-up is not complete."""
    host.do(INSTEAD)
    with drop_in(host, DOCKER, START_INSTEAD):
        host.do(f"systemctl reset-failed {DOCKER}; systemctl restart {DOCKER}")
        host.do(f"rm {DROP_IN}; systemctl daemon-reload")
        assert host.do(PLAINTEXT) != "refused\n"
        _, found = host.run("dockertls-vault daemon doctor")
        assert "dockerd listens at it until it is restarted" in " ".join(found.split())
        status, printed = host.run(HOOK)
        assert (status, "is closed, and dockerd restarted without it" in printed) == (76, True)
        assert host.do(PLAINTEXT) == "refused\n"
        _, found = host.run("dockertls-vault daemon doctor")
        assert "if `daemon restart` has found that dockerd lets anyone in" in " ".join(
            found.split()
        )
    host.do(f"systemctl restart {DOCKER}; dockertls-vault daemon configure --yes")


def test_corrupt_set_up_fails_the_hook(host: Host) -> None:
    """`daemon restart` says what is wrong, and dockerd is restarted once it is mended."""
    record = "/var/lib/dockertls-vault/daemon/set-up.json"
    host.do(f"mv {record} /srv; touch {record}")
    status, journal = renew(host)
    assert (status, shown(host, "ExecMainStatus")) == (1, "71"), journal
    assert "set-up.json is corrupt" in journal
    assert needs_renewal(host) == 0
    host.do(f"mv /srv/set-up.json {record}")
    status, journal = start(host)
    assert (status, wire(host), needs_renewal(host)) == (0, "same", 1), journal


def test_restart_waits_for_its_window(host: Host) -> None:
    """`issue` does not wait if there is none any more."""
    later = datetime.now() + timedelta(days=2)  # noqa: DTZ005 - a window is in local time
    issue = "dockertls-vault issue server --ttl 7d --window"
    host.do(f"{issue} '{later:%a} 12:00-13:00'")
    before = pid(host)
    status, journal = renew(host)
    assert (status, pid(host), wire(host)) == (0, before, "replaced"), journal
    assert "hooks wait for their window" in host.do("dockertls-vault status")
    assert needs_renewal(host) == 1
    host.do(f"{issue} none")
    assert (pid(host) != before, wire(host)) == (True, "same")


def test_restarts_in_a_row_reach_no_start_limit(host: Host) -> None:
    """Docker's own unit allows three in a minute."""
    with drop_in(host, DOCKER, "[Unit]\nStartLimitBurst=3\nStartLimitIntervalSec=10min"):
        printed = host.do(f"for n in $(seq 4); do {RESTART} || exit; done")
    assert printed.count("dockerd was restarted, and passed its check") == 4


def test_containers_that_a_restart_removes_are_named(host: Host) -> None:
    """Before it, and by a diagnosis: Docker 20.10 does not keep what was started with --rm."""
    host.do(IMAGE)
    run = "docker run --detach --network none --stop-signal KILL"
    host.do(f"{run} --rm --name fleeting sleeper /usr/bin/sleep infinity")
    host.do(f"{run} --name kept sleeper /usr/bin/sleep infinity")
    status, found = host.run("dockertls-vault daemon doctor")
    assert status == 1
    assert "does not keep fleeting: started with --rm" in " ".join(found.split())
    warning = "warning: the restart removes fleeting: this Docker does not keep what"
    assert warning in host.do(RESTART)
    assert host.do("docker ps --all --format '{{.Names}}'") == "kept\n"
    assert "warning" not in host.do(RESTART)
    host.do("docker rm --force kept")


def test_docker_that_does_not_come_back_is_an_error(host: Host) -> None:
    """Nor is one that has failed before started again."""
    with drop_in(host, DOCKER, "[Service]\nExecStartPre=false\nRestart=no"):
        status, printed = host.run(RESTART)
        assert (status, "error: dockerd is not back" in printed) == (69, True), printed
        assert "journalctl --unit=docker.service" in printed
        status, printed = host.run(RESTART)
        assert (status, "error: docker.service has failed" in printed) == (69, True), printed
    host.do(f"systemctl reset-failed {DOCKER}; systemctl start {DOCKER}")


def test_docker_that_takes_longer_than_a_hook_is_waited_for(host: Host) -> None:
    """The hook says so before it is killed; the next ones do not restart dockerd again."""
    pre = 'ExecStartPre=sh -c "until test -e /srv/go; do sleep 0.1; done"'
    with drop_in(host, DOCKER, f"[Service]\n{pre}"):
        status, printed = host.run(f"DOCKERTLS_HOOK_TIMEOUT=8s {HOOK}")
        assert (status, "error: after 7s, the restart is not done" in printed) == (69, True), (
            printed
        )
        begun = shown(host, "InvocationID", DOCKER)
        status, printed = host.run(f"DOCKERTLS_HOOK_TIMEOUT=4s {HOOK}")
        assert (status, "error: after 3s, " in printed) == (69, True), printed
        host.do("touch /srv/go")
        assert "dockerd already runs with these files, and passed its check" in host.do(HOOK)
        assert shown(host, "InvocationID", DOCKER) == begun


def test_restart_that_is_interrupted_is_completed(host: Host) -> None:
    """By systemd; the message says that nobody has checked dockerd, and how to."""
    pre = 'ExecStartPre=sh -c "until test -e /srv/on; do sleep 0.1; done"'
    stopped = until(f"[ $(systemctl is-active {DOCKER}) = activating ]")
    with drop_in(host, DOCKER, f"[Service]\n{pre}"):
        status, printed = host.run(f"{RESTART} & {stopped}; kill $!; wait $!")
        assert (status, "systemd completes the restart" in printed) == (143, True), printed
        assert HOOK in printed
        host.do("touch /srv/on")
        assert "dockerd already runs with these files, and passed its check" in host.do(HOOK)


def test_docker_is_not_restarted_with_files_that_stop_it(host: Host) -> None:
    """A daemon that works keeps working."""
    before = pid(host)
    host.do(f"mv {SERVER}/server-key.pem {SERVER}/away")
    status, printed = host.run(RESTART)
    host.do(f"mv {SERVER}/away {SERVER}/server-key.pem")
    assert (status, "there is no server credential in /etc/docker/tls" in printed) == (78, True)
    assert pid(host) == before


def test_host_that_was_not_set_up_says_what_to_do(host: Host) -> None:
    """So does a user who is not root."""
    status, printed = host.run(f"DOCKERTLS_STATE_DIR=/srv/state {RESTART}")
    assert (status, "hint: run `dockertls-vault daemon configure`" in printed) == (78, True)
    status, printed = host.run(RESTART, user="nobody")
    assert (status, "only root can restart dockerd" in printed) == (73, True)
    assert "for rootless Docker, run `systemctl --user restart docker`" in printed


def test_docker_that_was_uninstalled_is_an_error(host: Host) -> None:
    """The set-up is to be removed, too."""
    files = ["/lib/systemd/system/docker.service", "/etc/init.d/docker"]
    host.do(f"systemctl stop {DOCKER}; mv {' '.join(files)} /srv; systemctl daemon-reload")
    status, printed = host.run(RESTART)
    back = "; ".join(f"mv /srv/{file.rpartition('/')[2]} {file}" for file in files)
    host.do(f"{back}; systemctl daemon-reload; systemctl start {DOCKER}")
    assert (status, "run `dockertls-vault daemon configure --remove`" in printed) == (
        69,
        True,
    )
