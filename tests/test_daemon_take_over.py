"""Daemons that have TLS or hosts already: refused, taken over, and put back, on a real host."""

from __future__ import annotations

import json
import shlex
from base64 import b64decode
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from . import console
from .harness.host import Host, running_host
from .host.environment_files import FILES, VARIABLES, WORDS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from .harness.engine import Engine

pytestmark = pytest.mark.slow

PAGE = "docs/how-to/take-over-a-daemon.md"
ELSEWHERE = "/etc/systemd/system/docker-tls.socket.d"
# systemd listens elsewhere than the check connects to.
MISLEAD = f"""\
mkdir {ELSEWHERE}
printf '[Socket]\nListenStream=\nListenStream=2399\n' >{ELSEWHERE}/elsewhere.conf
systemctl daemon-reload
"""
CONFIGURE = "dockertls-vault daemon configure --yes"
DEFAULT = "/etc/default/docker"
JSON = "/etc/docker/daemon.json"
DROP_IN = "/etc/systemd/system/docker.service.d/override.conf"
PACKAGED = "/lib/systemd/system/docker.service"
# The files that the page of Docker's documentation makes by hand.
OLD_TLS = (
    "--tlsverify --tlscacert=/etc/docker/ca.pem --tlscert=/etc/docker/server-cert.pem "
    "--tlskey=/etc/docker/server-key.pem"
)
OLD_JSON = {
    "tlsverify": True,
    "tlscacert": "/etc/docker/ca.pem",
    "tlscert": "/etc/docker/server-cert.pem",
    "tlskey": "/etc/docker/server-key.pem",
}
PREPARE = """\
set -e
dockertls-vault ca init --allow-any-name --yes
dockertls-vault issue server
dockertls-vault issue client
cp --dereference /etc/docker/tls/*.pem /etc/docker
"""
# Kills itself before the step with this number.
KILLED = """\
import os, sys
from dockertls_vault import __main__
from dockertls_vault.daemon import steps
left = int(sys.argv.pop(1))
def count(kind):
    apply = kind.apply
    def counted(step):
        global left
        left -= 1
        if left < 0:
            os.kill(os.getpid(), 9)
        apply(step)
    kind.apply = counted
for kind in steps.Step.__subclasses__():
    count(kind)
sys.exit(__main__.main())
"""
FINGERPRINT = f"""\
sha256sum {DEFAULT} {JSON} {DROP_IN} {PACKAGED} 2>&1
ls -lR --time-style=+ /etc/systemd/system /etc/docker {PACKAGED}
systemctl show --property=MainPID docker.service
"""


@dataclass(frozen=True)
class Case:
    """Files as people have them; the ``port`` that dockerd listens at, and what is named."""

    files: Mapping[str, str]
    named: tuple[str, ...]
    port: str
    hosts: tuple[str, ...] | None = None
    flags: str = "-H fd://"
    socket: str = "unix:///var/run/docker.sock"


# As tutorials have people edit it.
EDITED_UNIT = f"""\
[Unit]
Requires=docker.socket
[Service]
Type=notify
ExecStart=/usr/sbin/dockerd {OLD_TLS} -H tcp://0.0.0.0:2376 -H fd://
KillMode=process
Delegate=yes
"""
CASES = {
    "the old page": Case(
        {DEFAULT: f'# Docker\nDOCKER_OPTS="{OLD_TLS} -H tcp://0.0.0.0:2376 -H unix:///run/x.sock"\n'},
        (f"{DEFAULT}, line 2 (DOCKER_OPTS): --tlsverify", "-H tcp://0.0.0.0:2376"),
        "*:2376",
        flags="-H fd:// -H unix:///run/x.sock",
    ),
    "flags in a drop-in": Case(
        {
            DROP_IN: "[Service]\n# Of ours\nExecStart=\nExecStart=/usr/sbin/dockerd -H fd:// \\\n"
            f"  {OLD_TLS} \\\n# Our port\n  -H tcp://127.0.0.1:2377 --debug\n",
        },
        (f"{DROP_IN}, line 4 (ExecStart=): --tlsverify", "-H tcp://127.0.0.1:2377"),
        "127.0.0.1:2377",
        flags="-H fd:// --debug",
    ),
    "hosts, and the drop-in for them": Case(
        {
            DROP_IN: "[Service]\nExecStart=\nExecStart=/usr/sbin/dockerd\n",
            JSON: json.dumps(
                {"hosts": ["unix:///run/x.sock", "tcp://[::]:2376"], **OLD_JSON}, indent=4
            ),
        },
        (f"{JSON}, line 2: hosts: tcp://[::]:2376", f'{JSON}, line 7: tlscacert: "/etc/docker/ca'),
        "*:2376",
        hosts=("unix:///run/x.sock", "fd://"),
        flags="",
        socket="unix:///run/x.sock",
    ),
    "no hosts": Case(
        {DROP_IN: "[Service]\nExecStart=\nExecStart=/usr/sbin/dockerd\n"},
        (f"{DROP_IN}, line 3 (ExecStart=): no -H",),
        "",
        hosts=("unix:///var/run/docker.sock", "fd://"),
        flags="",
    ),
    "TLS and hosts apart": Case(
        {
            DROP_IN: "[Service]\nExecStart=\n"
            "ExecStart=/usr/sbin/dockerd -H unix:// -H tcp://127.0.0.1:2376 $DOCKER_OPTS\n",
            DEFAULT: f"DOCKER_OPTS='{OLD_TLS}'",
        },
        (f"{DROP_IN}, line 3 (ExecStart=): -H tcp", f"{DEFAULT}, line 1 (DOCKER_OPTS): --tlskey"),
        "127.0.0.1:2376",
        flags="-H unix:// -H fd://",
    ),
    "flags in the unit of the package": Case(
        {PACKAGED: EDITED_UNIT},
        (f"{PACKAGED}, line 5 (ExecStart=): --tlsverify", "-H tcp://0.0.0.0:2376"),
        "*:2376",
    ),
    "a variable of a drop-in": Case(
        {
            DROP_IN: f"[Service]\nEnvironment=A=b 'DOCKER_OPTS={OLD_TLS} \\\n  --debug'\n"
            "ExecStart=\nExecStart=/usr/sbin/dockerd -H fd:// -H tcp://localhost:2376 "
            "$DOCKER_OPTS\n",
        },
        (f"{DROP_IN}, line 2 (Environment=): --tlskey", f"{DROP_IN}, line 5 (ExecStart=): -H tcp"),
        "127.0.0.1:2376",
        flags="-H fd:// --debug",
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def host(engine: Engine, host_image: str, host_program: Path) -> Iterator[Host]:
    """Return a host with a server credential, and the same files as the old page has them."""
    with running_host(engine, host_image, host_program) as booted:
        booted.do(PREPARE)
        yield booted


@contextmanager
def files(host: Host, texts: Mapping[str, str]) -> Iterator[None]:
    """Configure dockerd with these files, and restart it; afterwards, as it was."""
    host.do(f"cp {DEFAULT} /srv/default; mkdir -p {DROP_IN.rpartition('/')[0]}")
    host.do(f"cp -p {PACKAGED} /srv/packaged")
    for path, text in texts.items():
        host.do(f"printf %s {shlex.quote(text)} >{path}")
    # With docker.socket: a dockerd with `-H unix://` removes its file.
    restart = "systemctl daemon-reload; systemctl reset-failed; "
    restart += "systemctl restart docker.socket docker.service"
    host.do(restart)
    try:
        yield
    finally:
        host.run("dockertls-vault daemon configure --yes --remove")
        host.do(f"cp -p /srv/packaged {PACKAGED}; cp /srv/default {DEFAULT}")
        host.do(f"rm -f {DROP_IN} {JSON}; {restart}")


def flags(host: Host) -> str:
    """Return the flags of the dockerd that runs, without that of Debian."""
    line = host.do("tr '\\0' ' ' </proc/$(systemctl show --value -p MainPID docker)/cmdline")
    words = line.replace("--containerd=/run/containerd/containerd.sock", "").split()
    return " ".join(words[1:])


def listening(host: Host) -> list[str]:
    """Return where somebody listens at the ports of Docker."""
    return host.do("ss -ltnH 'sport >= 2375 and sport <= 2377' | awk '{ print $4 }'").split()


@pytest.mark.parametrize("kind", CASES)
def test_daemon_is_taken_over_and_put_back(host: Host, kind: str) -> None:
    """It is refused before anything is touched; taken over it passes its check; all comes back."""
    case = CASES[kind]
    with files(host, case.files):
        before = (flags(host), listening(host))
        assert before[1] == [case.port] * bool(case.port)
        touched = host.do(FINGERPRINT)
        status, printed = host.run(CONFIGURE)
        assert status == 78
        assert all(words in printed for words in case.named), printed
        assert "hint: change them with --take-over" in printed
        assert host.do(FINGERPRINT) == touched

        printed = host.do(f"{CONFIGURE} --take-over")
        assert printed.endswith(
            f"{case.port or '*:2376'}, and passed its check\n".replace("*", "[::]")
        )
        assert flags(host) == case.flags
        assert listening(host) == [case.port or "*:2376"]
        assert json.loads(host.do(f"cat {JSON}")).get("hosts") == (case.hosts and list(case.hosts))
        host.do(f"docker --host {case.socket} info")
        assert host.do(f"{CONFIGURE} --take-over").endswith("no changes needed\n")

        host.do(f"{CONFIGURE} --remove")
        assert (flags(host), listening(host)) == before
        assert host.do(FINGERPRINT).split()[:-1] == touched.split()[:-1]
        host.do(f"docker --host {case.socket} info")


def test_daemon_without_a_unix_socket_is_refused(host: Host) -> None:
    """It cannot be asked for its containers; with what the hint says to add, it can."""
    line = f"ExecStart=/usr/sbin/dockerd {OLD_TLS} -H tcp://127.0.0.1:2376"
    with files(host, {DROP_IN: f"[Service]\nExecStart=\n{line}\n"}):
        touched = host.do(FINGERPRINT)
        status, printed = host.run(f"{CONFIGURE} --take-over")
        assert status == 78
        assert "error: dockerd has no Unix socket, only tcp://127.0.0.1:2376" in printed
        assert host.do(FINGERPRINT) == touched
        host.do(f"sed -i 's|$| -H fd://|;1,2s| .*||' {DROP_IN}")
        hint = "sudo systemctl daemon-reload && sudo systemctl restart docker.socket docker.service"
        assert f"run `{hint}`" in printed
        host.do(hint.replace("sudo ", ""))
        host.do(f"{CONFIGURE} --take-over")
        assert (flags(host), listening(host)) == ("-H fd://", ["127.0.0.1:2376"])


def test_port_without_tls_is_named_before_it_is_opened_again(host: Host) -> None:
    """With --dry-run, too."""
    with files(host, {DEFAULT: "DOCKER_OPTS='-H tcp://127.0.0.1:2375'"}):
        assert "without TLS again" not in host.do(f"{CONFIGURE} --take-over")
        printed = host.do(f"{CONFIGURE} --remove --dry-run")
        assert "warning: tcp://127.0.0.1:2375 will be open without TLS again" in printed


def test_page_can_be_followed(host: Host) -> None:
    """Each command of the guide works, and at the end all is as it was."""
    case = CASES["the old page"]
    with files(host, case.files):
        before = (flags(host), listening(host), host.do(f"cat {DEFAULT}"))
        status, printed = host.run("dockertls-vault daemon configure")
        assert status == 78
        shown = console.PAGES[PAGE].read_text(encoding="utf-8").partition("```text\n")[2]
        for line in shown.partition("```")[0].splitlines():
            assert line in printed
        for command in console.commands(PAGE):
            host.do(command.text)
        assert (flags(host), listening(host), host.do(f"cat {DEFAULT}")) == before


def test_daemon_that_fails_its_check_is_put_back(host: Host) -> None:
    """With its own flags; then it can still be taken over."""
    case = CASES["TLS and hosts apart"]
    with files(host, case.files):
        before = (flags(host), listening(host))
        touched = host.do(FINGERPRINT)
        host.do(MISLEAD)
        status, printed = host.run(f"{CONFIGURE} --take-over")
        host.do(f"rm -r {ELSEWHERE}; systemctl daemon-reload")
        assert (status, "what was there before is back" in printed) == (78, True), printed
        assert (flags(host), listening(host)) == before
        assert host.do(FINGERPRINT).split()[:-1] == touched.split()[:-1]


@pytest.mark.parametrize("step", [4, 6])
def test_killed_take_over_leaves_a_daemon_that_starts(host: Host, step: int) -> None:
    """Without its flags, and with or without TLS in daemon.json; then it is completed, or not."""
    with files(host, CASES["the old page"].files):
        before = (flags(host), listening(host), host.do(FINGERPRINT).split()[:-1])
        run = f"/opt/dockertls-vault/bin/python3 -c {shlex.quote(KILLED)} {step}"
        assert host.run(f"{run} daemon configure --yes --take-over")[0] == 128 + 9
        host.do("systemctl restart docker.service && docker --host unix:///run/x.sock version")
        assert listening(host) == []
        if step == 4:
            host.do(CONFIGURE)
            assert listening(host) == ["*:2376"]
        host.do(f"{CONFIGURE} --remove")
        assert (flags(host), listening(host), host.do(FINGERPRINT).split()[:-1]) == before


def test_edit_of_others_is_not_lost(host: Host) -> None:
    """What was edited since is not overwritten: --remove says how to put the original back."""
    with files(host, CASES["the old page"].files):
        host.do(f"{CONFIGURE} --take-over; echo '# mine' >>{DEFAULT}")
        status, printed = host.run(f"{CONFIGURE} --remove")
        assert status == 78
        original = "/var/lib/dockertls-vault/daemon/files-2/0.original"
        command = f"cp {original} {DEFAULT}"
        assert f"{DEFAULT}: `sudo {command}` puts its original back" in printed
        host.do(f"{command}; {CONFIGURE} --remove")
        assert host.do(f"cat {DEFAULT}") == CASES["the old page"].files[DEFAULT]


def test_upgrade_of_docker_replaces_what_was_edited(host: Host) -> None:
    """Its unit has no flags that clash: the set-up stays, and --remove has nothing to put back."""
    with files(host, {PACKAGED: EDITED_UNIT}):
        host.do(f"chmod 640 {PACKAGED}; {CONFIGURE} --take-over")
        assert host.do(f"stat -c '%a %U' {PACKAGED}") == "640 root\n"
        # As dpkg does it; it is no configuration file.
        host.do(f"cp -p /srv/packaged {PACKAGED}.dpkg-new; mv {PACKAGED}.dpkg-new {PACKAGED}")
        host.do("systemctl daemon-reload; systemctl restart docker.service")
        assert listening(host) == ["*:2376"]
        assert host.do(CONFIGURE).endswith("no changes needed\n")

        printed = host.do(f"{CONFIGURE} --remove")
        assert f"warning: {PACKAGED} was replaced since, as by an upgrade" in printed
        host.do(f"cmp {PACKAGED} /srv/packaged; docker version")
        assert listening(host) == []


def test_file_that_is_mounted_read_only_is_refused(host: Host) -> None:
    """Before anything is touched, and also if it is so when everything is to be put back."""
    place = "/usr/lib/systemd/system"
    mount = f"mount --bind {place} {place}; mount -o remount,bind,ro {place}"
    with files(host, {PACKAGED: EDITED_UNIT}):
        for command in (f"{CONFIGURE} --take-over", f"{CONFIGURE} --remove"):
            touched = host.do(f"{mount}; {FINGERPRINT}")
            status, printed = host.run(command)
            assert (status, "is mounted read-only" in printed) == (73, True)
            assert host.do(FINGERPRINT) == touched
            host.do(f"umount {place}; {command}")


def test_files_are_read_as_by_systemd(host: Host) -> None:
    """Each environment file of the table has the values that a service gets, and each word."""
    for number, (text, values) in enumerate(FILES.values()):
        host.do(f"printf %s {shlex.quote(text)} >/srv/{number}.env")
        printed = host.do(
            f"systemd-run --quiet --wait --pipe --property=EnvironmentFile=/srv/{number}.env "
            "--property=UnsetEnvironment='LANG PATH INVOCATION_ID SYSTEMD_EXEC_PID HOME LOGNAME "
            "USER SHELL JOURNAL_STREAM' /usr/bin/env --null | base64"
        )
        printed = b64decode(printed).decode()
        assert dict(line.split("=", 1) for line in printed.split("\0")[:-1]) == values, text


def test_words_are_expanded_as_by_systemd(host: Host) -> None:
    """Each word of the table becomes the arguments that a service gets."""
    escaped = {
        name: value.replace("\\", "\\\\").replace('"', '\\"') for name, value in VARIABLES.items()
    }
    text = "".join(f'{name}="{value}"\n' for name, value in escaped.items())
    host.do(f"printf %s {shlex.quote(text)} >/srv/words.env")
    show = ["/usr/bin/python3", "-c", "import json, sys; print(json.dumps(sys.argv[1:]))"]
    line = [part for word in WORDS for part in ("|", word)]
    printed = host.do(
        "systemd-run --quiet --wait --pipe --property=EnvironmentFile=/srv/words.env "
        f"{shlex.join([*show, *line])}"
    )
    assert json.loads(printed) == [part for values in WORDS.values() for part in ("|", *values)]
