"""A diagnosis on a real host with systemd: units, environment files, and the sockets of systemd."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple

import pytest

from .harness.host import Host, running_host

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from .harness.engine import Engine

pytestmark = pytest.mark.slow

SET_UP = """\
set -e
dockertls-vault ca init --allow-any-name --yes
dockertls-vault issue server
dockertls-vault daemon configure --yes
"""
CONFIGURE = "run `sudo dockertls-vault daemon configure`; or by hand: "
JSON = "/etc/docker/daemon.json"
UNITS = "/etc/systemd/system"
DROP_IN = f"{UNITS}/docker.service.d/x.conf"
RESTART = "systemctl reset-failed docker; systemctl restart docker"
PLAIN = f"""\
printf '[Socket]\\nListenStream=2375\\nService=docker.service\\n' >{UNITS}/plain.socket
printf '[Service]\\nSockets=plain.socket\\n' >{DROP_IN}
echo '{{"live-restore": true}}' >{JSON}
systemctl daemon-reload
systemctl stop docker.socket docker docker-tls.socket
systemctl start docker.socket plain.socket docker
"""
# Both in daemon.json, which was there from the start, and in -H.
HOSTS_TOO = f"""sed -i '1s/{{/{{"hosts": ["fd:\\/\\/"],/' {JSON}; touch -d @0 {JSON}"""
BEFORE = f"""\
printf '[Service]\\nExecStart=\\nExecStart=/usr/bin/env dockerd -H fd://\\n' >{DROP_IN}
systemctl daemon-reload
"""
# How to make each fault, and what is found; the rest is as it was.
FAULTS = {
    "hosts in daemon.json beside -H fd://": (HOSTS_TOO, {"clash": "error"}),
    "a setting that waits for a restart": (f"sleep 1.1; touch {JSON}", {"pending": "warning"}),
    "a unit file that systemd has not read": (
        f"printf '[Service]\\nEnvironment=A=b\\n' >{DROP_IN}",
        {"pending": "warning"},
    ),
    "a docker-tls.socket that systemd has not read": (
        f"touch {UNITS}/docker-tls.socket",
        {"pending": "warning"},
    ),
    "a program before dockerd": (BEFORE, {}),
    "options that wait for a restart": (
        "echo 'DOCKER_OPTS=\"--debug\"' >/etc/default/docker",
        {"pending": "warning"},
    ),
    "a certificate that waits for a restart": (
        "dockertls-vault issue server --hook true",
        {"stale": "warning"},
    ),
}
UNDO = f"""\
rm -f {UNITS}/plain.socket {DROP_IN} /etc/default/docker
cp /opt/daemon.json {JSON}
touch -d @0 {JSON}
systemctl daemon-reload
"""
# These need a restart, and another one to take them back.
GRAVE_FAULTS = {
    "plaintext at a socket of systemd": (
        PLAIN,
        {
            "client-ca": "critical",
            "sockets": "error",  # ours is closed
            "plaintext": "critical",
            **dict.fromkeys(("strangers", "trust", "stale", "validity", "usage"), "skipped"),
        },
    ),
    "daemon.json without its TLS settings": (
        f"echo '{{\"live-restore\": true}}' >{JSON}; touch -d @0 {JSON}; {RESTART}",
        {"sockets": "error"},
    ),
    "another process at the port": (
        f"""\
systemctl stop docker.socket docker docker-tls.socket
systemd-run --quiet --unit=squatter python3 -m http.server 2376
timeout 60 sh -c 'until ss -ltnH sport = :2376 | grep -q .; do sleep 0.1; done'
{RESTART}
""",
        {"sockets": "error"},
    ),
    "DOCKER_TLS_VERIFY=0 for dockerd": (
        f"""\
printf '[Service]\\nEnvironment=DOCKER_TLS_VERIFY=0\\n' >{DROP_IN}
systemctl daemon-reload
{RESTART}
""",
        {"environment": "warning"},
    ),
}


@pytest.fixture(scope="module")
def host(engine: Engine, host_image: str, host_program: Path) -> Iterator[Host]:
    """Return a host whose dockerd was set up with `daemon configure`."""
    with running_host(engine, host_image, host_program) as booted:
        booted.do(SET_UP)
        booted.do(f"cp {JSON} /opt; touch -d @0 {JSON}")
        yield booted


class Found(NamedTuple):
    """What a check found."""

    result: str
    summary: str
    remedy: str | None


def diagnose(host: Host, user: str = "root") -> tuple[int, dict[str, Found]]:
    """Return the exit status, and what each check found."""
    status, printed = host.run("dockertls-vault daemon doctor --quiet -o json", user=user)
    checks = json.loads(printed)["data"]["checks"]
    return status, {each["check"]: Found(*map(each.get, Found._fields)) for each in checks}


def findings(found: dict[str, Found]) -> dict[str, str]:
    """Return all results but those that are ok."""
    return {name: each.result for name, each in found.items() if each.result != "ok"}


def test_host_that_was_set_up_has_no_finding(host: Host) -> None:
    """Every check ran, also those that need root or Vault."""
    status, found = diagnose(host)
    assert (status, findings(found)) == (0, {})
    assert found["sockets"][1] == "of the API: [::]:2376"
    assert "docker.service" in found["process"][1]


def test_ordinary_user_is_told_what_needs_root(host: Host) -> None:
    """The socket of systemd is known to everybody, and is examined."""
    status, found = diagnose(host, user="nobody")
    assert (status, findings(found)) == (3, {"sockets": "skipped", "api": "skipped"})
    assert "by its settings: [::]:2376" in found["sockets"][1]
    assert found["plaintext"][1].startswith("[::]:2376: rejected")


@pytest.mark.parametrize("fault", FAULTS)
def test_fault_is_found(host: Host, fault: str) -> None:
    """And nothing else."""
    make, expected = FAULTS[fault]
    host.do(make)
    status, found = diagnose(host)
    host.do(UNDO)
    assert findings(found) == expected
    assert status == (65 if "error" in expected.values() else int(bool(expected)))


@pytest.mark.parametrize("fault", GRAVE_FAULTS)
def test_fault_of_a_running_daemon_is_found(host: Host, fault: str) -> None:
    """Once it was restarted; `daemon configure` is the fix for a port in plaintext."""
    make, expected = GRAVE_FAULTS[fault]
    host.do(make)
    status, found = diagnose(host)
    host.do(
        f"systemctl stop plain.socket squatter; {UNDO} systemctl start docker-tls.socket; {RESTART}"
    )
    assert findings(found) == expected
    statuses = {"critical": 76, "error": 65, "warning": 1}
    assert status == next(code for result, code in statuses.items() if result in expected.values())
    advised = {name for name, each in found.items() if CONFIGURE in (each.remedy or "")}
    assert advised == {name for name, result in expected.items() if result == "critical"}


def test_what_prevents_a_start_is_found(host: Host) -> None:
    """While dockerd does not run, its configuration is judged all the same."""
    host.do(f"systemctl stop docker.socket docker; {HOSTS_TOO}")
    status, found = diagnose(host)
    assert status == 69
    assert {name: found[name][0] for name in ("process", "configuration", "clash")} == {
        "process": "unreachable",
        "configuration": "ok",
        "clash": "error",
    }
    host.do(f"{UNDO} mv /etc/docker/tls/server-key.pem /opt")
    found = diagnose(host)[1]
    host.do("mv /opt/server-key.pem /etc/docker/tls; systemctl start docker.socket docker")
    assert found["configuration"].result == "error"
    assert found["configuration"].summary.startswith("tlskey: ")
    assert "journalctl --unit=docker.service" in (found["process"].remedy or "")
