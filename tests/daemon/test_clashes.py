"""Settings of dockerd that clash with a set-up."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from dockertls_vault.daemon.clashes import Existing, find, with_flags
from dockertls_vault.daemon.sources import of_command
from dockertls_vault.docker import daemon_json
from dockertls_vault.host.command_line import words

PACKAGED = Path("/lib/systemd/system/docker.service")
OWN = Path("/etc/systemd/system/docker.service.d/override.conf")
DEFAULT = Path("/etc/default/docker")
JSON = Path("/etc/docker/daemon.json")
DEBIAN = "/usr/sbin/dockerd -H fd:// --containerd=/run/containerd/containerd.sock $DOCKER_OPTS"
OLD_TLS = (
    "--tlsverify --tlscacert=/etc/docker/ca.pem --tlscert=/etc/docker/server-cert.pem "
    "--tlskey=/etc/docker/server-key.pem"
)
OLD_PAGE = f"{OLD_TLS} -H tcp://0.0.0.0:2376 -H unix:///var/run/docker.sock"
WANTED = {"tlsverify": True, "tlscert": "/etc/docker/tls/server-cert.pem", "live-restore": True}


def existing(
    own: str = "",
    options: str | None = None,
    config: str = "",
    variables: tuple[str, ...] = (),
    ours: dict[str, object] | None = None,
) -> Existing:
    """Return what Debian's docker.service has with ``own`` as its drop-in, and other files."""
    unit = f"[Service]\nEnvironmentFile=-{DEFAULT}\nExecStart={DEBIAN}\n"
    files = {PACKAGED: unit.encode()}
    command = DEBIAN
    if own:
        files[OWN] = f"[Service]\nExecStart=\nExecStart={own}\n".encode()
        command = re.sub(r"\\\n([ ]*#.*\n)*", " ", own.partition("\nEnvironment")[0])
    # As systemd does it.
    split = [each.value.replace("x41", "A") for each in words(command)]
    environment = {} if options is None else {DEFAULT: f"# Docker's\n{options}\n".encode()}
    sources = tuple(of_command(split, variables, files, environment))
    return Existing(sources, JSON, daemon_json.parse(config.encode()), ours or {})


IN_A_UNIT = existing(
    own=f"{DEBIAN}\nEnvironment=DOCKER_OPTS=--tls", variables=("DOCKER_OPTS=--tls",)
)


def in_unit(line: str, value: str, command: str = DEBIAN) -> Existing:
    """Return what there is with this ``line`` in a drop-in, which gives DOCKER_OPTS the value."""
    return existing(own=f"{command}\n{line}", variables=(f"DOCKER_OPTS={value}",))


def packaged(command: str, config: str = "") -> Existing:
    """Return what there is with this command in the package's own unit file."""
    unit = f"[Service]\nExecStart={command}\nDelegate=yes\n".encode()
    sources = tuple(of_command(command.split(), (), {PACKAGED: unit}, {}))
    return Existing(sources, JSON, daemon_json.parse(config.encode()), {})


def listed(case: Existing) -> list[str]:
    """Return where each clash is, and what."""
    return [f"{clash.where}: {clash.what}" for clash in find(case, WANTED)]


@pytest.mark.parametrize(
    "case",
    [
        existing(),
        existing(options='DOCKER_OPTS="--dns 192.0.2.1"'),
        existing(options="DOCKER_OPTS=--live-restore", config='{"debug": true}'),
        existing("/usr/bin/dockerd -H unix:// -H fd://"),
        existing("/usr/bin/dockerd", config='{"hosts": ["fd://", "unix:///run/x.sock"]}'),
        existing(config='{"tlsverify": true, "live-restore": false, "tls": true}'),
        existing(config='{"tlscert": "/old"}', ours={"tlscert": "/old"}),
    ],
)
def test_what_goes_with_a_set_up_is_left_alone(case: Existing) -> None:
    """The packages' units, other flags, and what an earlier set-up wrote."""
    assert listed(case) == []


def test_old_page_clashes() -> None:
    """Each flag is named, with its file, line and variable, and why it clashes."""
    case = existing(options=f'DOCKER_OPTS="{OLD_PAGE}"')
    where = f"{DEFAULT}, line 2 (DOCKER_OPTS)"
    assert listed(case) == [
        f"{where}: --tlsverify",
        f"{where}: --tlscacert=/etc/docker/ca.pem",
        f"{where}: --tlscert=/etc/docker/server-cert.pem",
        f"{where}: --tlskey=/etc/docker/server-key.pem",
        f"{where}: -H tcp://0.0.0.0:2376",
    ]
    assert str(find(case, WANTED)[0]) == (
        f"{where}: --tlsverify: dockerd refuses to start if daemon.json has it, too"
    )


@pytest.mark.parametrize(
    ("case", "clashes"),
    [
        (
            existing("/usr/bin/dockerd -H fd:// \\\n  --tls=false -H 10.0.0.7:2376"),
            [
                f"{OWN}, line 3 (ExecStart=): --tls=false",
                f"{OWN}, line 3 (ExecStart=): -H 10.0.0.7:2376",
            ],
        ),
        (
            existing("/usr/bin/dockerd", config='{\n "hosts": ["tcp://0.0.0.0:2376"]}'),
            [
                f"{JSON}, line 2: hosts: tcp://0.0.0.0:2376",
                f"{JSON}, line 2: hosts: tcp://0.0.0.0:2376",
            ],
        ),
        (existing("/usr/bin/dockerd"), [f"{OWN}, line 3 (ExecStart=): no -H"]),
        (existing("/usr/bin/dockerd", config='{"hosts": []}'), [f"{JSON}, line 1: hosts: none"]),
        (
            existing("/usr/bin/dockerd $DOCKER_OPTS", options="DOCKER_OPTS='-H unix://'"),
            [f"{DEFAULT}, line 2 (DOCKER_OPTS): unix://"],
        ),
        (
            existing("/usr/bin/dockerd -H unix://"),
            [f"{OWN}, line 3 (ExecStart=): unix://"],
        ),
        (
            existing(config='{"tlsverify": false,\n"tlscert": "/old"}'),
            [f"{JSON}, line 1: tlsverify: false", f'{JSON}, line 2: tlscert: "/old"'],
        ),
        (
            IN_A_UNIT,
            [f"{OWN}, line 4 (Environment=): --tls"],
        ),
    ],
)  # fmt: skip
def test_clash_is_found(case: Existing, clashes: list[str]) -> None:
    """In a drop-in, a variable of a unit, or daemon.json."""
    assert listed(case) == clashes


def test_flags_that_stay_clash_with_the_file() -> None:
    """Only those for a setting that the file is to have."""
    argv = ["-D", "-H", "unix:///run/x.sock", "--tls", "--tlscert=/old", "--data-root", "/srv"]
    found = [f"{clash.what}: {clash.why}" for clash in with_flags(argv, {**WANTED, "hosts": []})]
    assert found == [
        "-H unix:///run/x.sock: dockerd refuses to start if daemon.json has hosts, too",
        "--tlscert=/old: dockerd refuses to start if daemon.json has tlscert, too",
    ]
