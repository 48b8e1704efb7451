"""Settings of dockerd that clash with a set-up are taken over."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from dockertls_vault.daemon.clashes import Existing
from dockertls_vault.daemon.sources import of_command
from dockertls_vault.daemon.take_over import remaining, resolve
from dockertls_vault.docker import daemon_json
from dockertls_vault.errors import ConflictingState

from .test_clashes import (
    DEBIAN,
    DEFAULT,
    IN_A_UNIT,
    JSON,
    OLD_PAGE,
    OLD_TLS,
    OWN,
    PACKAGED,
    existing,
    in_unit,
    listed,
    packaged,
)

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("case", "edited", "listen", "hosts"),
    [
        (
            existing(options=f"DOCKER_OPTS='{OLD_PAGE} --dns 192.0.2.1'"),
            {DEFAULT: "# Docker's\n"
                      'DOCKER_OPTS="-H unix:///var/run/docker.sock --dns 192.0.2.1"\n'},
            ["[::]:2376"],
            None,
        ),
        (
            existing("/usr/bin/dockerd \\\n  -H unix:// \\\n  --tls --tlskey '/a b' --debug"),
            {OWN: "[Service]\nExecStart=\n"
                  "ExecStart=/usr/bin/dockerd \\\n  -H unix:// --debug -H fd://\n"},
            [],
            None,
        ),
        (
            existing("/usr/bin/dockerd", config='{"hosts": ["unix:///a", "tcp://[::1]:2377"]}'),
            {},
            ["[::1]:2377"],
            ("unix:///a", "fd://"),
        ),
        (existing("/usr/bin/dockerd"), {}, [], ("unix:///var/run/docker.sock", "fd://")),
        (
            existing("/usr/bin/dockerd -H tcp://0.0.0.0:2375 -H tcp://127.0.0.1:2375 -D"),
            {OWN: "[Service]\nExecStart=\nExecStart=/usr/bin/dockerd -D -H fd://\n"},
            ["[::]:2375"],
            None,
        ),
        (
            existing(
                "/usr/bin/dockerd -H fd:// $DOCKER_OPTS --host=tcp://:2376",
                options=f"DOCKER_OPTS={OLD_TLS} -H localhost",
            ),
            {
                OWN: "[Service]\nExecStart=\nExecStart=/usr/bin/dockerd -H fd:// $DOCKER_OPTS\n",
                DEFAULT: '# Docker\'s\nDOCKER_OPTS=""\n',
            },
            ["127.0.0.1:2376", "127.0.0.1:2375"],
            None,
        ),
        (
            existing(f"/usr/bin/dockerd {OLD_TLS}"),
            {OWN: "[Service]\nExecStart=\nExecStart=/usr/bin/dockerd\n"},
            ["127.0.0.1:2376"],
            ("unix:///var/run/docker.sock", "fd://"),
        ),
        (
            existing("/usr/bin/dockerd -H fd:// \\\n# our port\n  -H tcp://[::1]:1 \\\n # no\n -D"),
            {OWN: "[Service]\nExecStart=\n"
                  "ExecStart=/usr/bin/dockerd -H fd:// \\\n # no\n -D\n"},
            ["[::1]:1"],
            None,
        ),
        (
            existing("/usr/bin/dockerd --tlsverify=false"),
            {OWN: "[Service]\nExecStart=\nExecStart=/usr/bin/dockerd\n"},
            ["127.0.0.1:2376"],
            ("unix:///var/run/docker.sock", "fd://"),
        ),
        (
            existing("/usr/bin/dockerd", config='{"tls": false}'),
            {},
            [],
            ("unix:///var/run/docker.sock", "fd://"),
        ),
        (existing(config='{"tlscert": "/old"}'), {}, [], None),
        (
            in_unit(
                "Environment=A=b 'DOCKER_OPTS=--tls -H unix:// --label \"a b\"' C=d",
                '--tls -H unix:// --label "a b"',
                "/usr/bin/dockerd $DOCKER_OPTS -H tcp://:2376",
            ),
            {
                OWN: "[Service]\nExecStart=\nExecStart=/usr/bin/dockerd $DOCKER_OPTS\n"
                     "Environment=A=b 'DOCKER_OPTS=-H unix:// --label \"a b\" -H fd://' C=d\n"
            },
            ["127.0.0.1:2376"],
            None,
        ),
        (
            in_unit('Environment=DOCKER_OPTS="-D \\\n  --tls \\\n  -H :1"', "-D   --tls   -H :1"),
            {OWN: f'[Service]\nExecStart=\nExecStart={DEBIAN}\nEnvironment=DOCKER_OPTS="-D"\n'},
            ["127.0.0.1:1"],
            None,
        ),
        (
            in_unit('Environment="DOCKER_OPTS=-H :1"', "-H :1", "/usr/bin/dockerd $DOCKER_OPTS"),
            {
                OWN: "[Service]\nExecStart=\nExecStart=/usr/bin/dockerd $DOCKER_OPTS\n"
                     'Environment="DOCKER_OPTS=-H fd://"\n'
            },
            ["127.0.0.1:1"],
            None,
        ),
    ],
)  # fmt: skip
def test_clashes_are_taken_over(
    case: Existing, edited: dict[Path, str], listen: list[str], hosts: tuple[str, ...] | None
) -> None:
    """TLS and TCP ports go, with the TLS last; unix sockets stay, and fd:// is added."""
    taken = resolve(case)
    assert {edit.path: edit.after.decode() for edit in taken.edits} == edited
    assert [edit.path for edit in taken.edits] == list(edited)
    assert [edit.is_unit for edit in taken.edits] == [edit.path == OWN for edit in taken.edits]
    assert list(map(str, taken.listen)) == listen
    assert taken.hosts == hosts


@pytest.mark.parametrize(
    ("case", "reason"),
    [
        (existing("/usr/bin/dockerd -DH tcp://0.0.0.0:2376"), "-H tcp://0.0.0.0:2376 cannot"),
        (existing("/usr/bin/dockerd -H fd:// --label \\x41 --tls"), "--tls cannot be taken over"),
        (IN_A_UNIT, "--tls cannot be taken over"),
        (in_unit("Environment='DOCKER_OPTS=-H %H --tls'", "-H :1 --tls"), "-H :1 cannot be taken"),
        (
            in_unit('Environment="DOCKER_OPTS=--label \\"a b\\" --tls"', '--label "a b" --tls'),
            "--tls cannot be taken over",
        ),
        (
            existing("/usr/bin/dockerd -H fd:// --tls $DOCKER_OPTS", "DOCKER_OPTS=--tlskey=/k"),
            "TLS settings in several places",
        ),
        (
            existing(options="DOCKER_OPTS=--tls", config='{"hosts": ["tcp://0.0.0.0"]}'),
            "TLS settings in several places",
        ),
    ],
)
def test_what_cannot_be_taken_over_is_refused(case: Existing, reason: str) -> None:
    """Flags in one word, escapes, specifiers, variables without quotes, and TLS in two places."""
    with pytest.raises(ConflictingState, match=reason):
        resolve(case)


@pytest.mark.parametrize(
    "case",
    [
        existing("/usr/bin/dockerd -H fd:// -H tcp://docker1:2376"),
        existing("/usr/bin/dockerd", config='{"hosts": ["fd://", "tcp://docker1"]}'),
    ],
)
def test_host_name_is_refused_with_what_to_write_instead(case: Existing) -> None:
    """It may resolve to another host later; --listen does not change that."""
    with pytest.raises(ConflictingState, match="cannot be taken over") as caught:
        resolve(case)
    assert caught.value.hint.startswith("write the IP address in place of the name (`getent ")


@pytest.mark.parametrize("hosts", ['["fd://"]', '["fd://", "tcp://0.0.0.0:2376"]', "[]"])
def test_hosts_beside_a_flag_are_listed_and_not_taken_over(hosts: str) -> None:
    """With both, dockerd does not start (moby#25471), so nobody knows which of them is wanted."""
    case = existing(config=f'{{"hosts": {hosts}}}')
    assert f"{JSON}, line 1: hosts" in listed(case)
    with pytest.raises(ConflictingState, match="hosts cannot be taken over") as caught:
        resolve(case)
    assert caught.value.hint.startswith("remove hosts from this file")


def test_hosts_of_a_take_over_that_was_killed_are_completed() -> None:
    """They are in daemon.json before the flags are edited."""
    case = existing(
        "/usr/bin/dockerd -H tcp://:2376", config='{"hosts": ["fd://"]}', ours={"hosts": ["fd://"]}
    )
    assert resolve(case).hosts == ("fd://",)


@pytest.mark.parametrize(
    ("flags", "config", "left"),
    [
        ("-H fd:// --tls -H tcp://:2376", "", "-H fd://"),
        ("-H tcp://:2376", "", "-H fd://"),
        ("--tls", "", "-H unix:///var/run/docker.sock -H fd://"),
        ("", "", "-H unix:///var/run/docker.sock -H fd://"),
    ],
)
def test_unit_of_a_package_is_edited(flags: str, config: str, left: str) -> None:
    """daemon.json gets no hosts, with which dockerd would not start after the next upgrade."""
    taken = resolve(packaged(f"/usr/bin/dockerd {flags}".strip(), config))
    (edit,) = taken.edits
    expected = f"[Service]\nExecStart=/usr/bin/dockerd {left}\nDelegate=yes\n"
    assert (edit.path, edit.after.decode()) == (PACKAGED, expected)
    assert taken.hosts is None


def test_hosts_that_a_packaged_unit_leaves_to_daemon_json_stay_there() -> None:
    """With those, it would not start after an upgrade before the set-up, either."""
    taken = resolve(packaged("/usr/bin/dockerd", '{"hosts": ["tcp://:2376", "unix:///a"]}'))
    assert (taken.edits, taken.hosts) == ((), ("unix:///a", "fd://"))


@pytest.mark.parametrize("flags", ["--tls --label \\x41", ""])
def test_packaged_unit_that_systemd_reads_differently_is_not_edited(flags: str) -> None:
    """Its -H goes to daemon.json, and a flag of TLS is refused."""
    unit = f"[Service]\nExecStart=/usr/bin/dockerd %n {flags}\n".encode()
    command = ["/usr/bin/dockerd", "docker.service", *flags.replace("\\x41", "A").split()]
    sources = tuple(of_command(command, (), {PACKAGED: unit}, {}))
    case = Existing(sources, JSON, daemon_json.parse(b""), {})
    if flags:
        with pytest.raises(ConflictingState, match="--tls cannot be taken over"):
            resolve(case)
    else:
        assert resolve(case).hosts == ("unix:///var/run/docker.sock", "fd://")


def test_arguments_that_remain() -> None:
    """Those of the trial: without TLS, and without TCP."""
    assert remaining(f"-H fd:// {OLD_PAGE} --debug".split()) == (
        *("-H", "fd://", "-H", "unix:///var/run/docker.sock", "--debug"),
    )
