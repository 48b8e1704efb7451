"""Settings of dockerd that clash with a set-up: found, and taken over."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from dockertls_vault.daemon.clashes import Existing, find, remaining, take_over, with_flags
from dockertls_vault.daemon.sources import of_command
from dockertls_vault.docker import daemon_json
from dockertls_vault.errors import ConflictingState
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
                f"{OWN}, line 3 (ExecStart=): tcp://0.0.0.0:2376",
            ],
        ),
        (existing("/usr/bin/dockerd"), [f"{OWN}, line 3 (ExecStart=): no -H"]),
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
    taken = take_over(case)
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
        take_over(case)


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
        take_over(case)
    assert caught.value.hint.startswith("write the IP address in place of the name (`getent ")


@pytest.mark.parametrize("hosts", ['["fd://"]', '["fd://", "tcp://0.0.0.0:2376"]', "[]"])
def test_hosts_beside_a_flag_are_listed_and_not_taken_over(hosts: str) -> None:
    """With both, dockerd does not start (moby#25471), so nobody knows which of them is wanted."""
    case = existing(config=f'{{"hosts": {hosts}}}')
    assert f"{JSON}, line 1: hosts" in listed(case)
    with pytest.raises(ConflictingState, match="hosts cannot be taken over") as caught:
        take_over(case)
    assert caught.value.hint.startswith("remove hosts from this file")


def test_hosts_of_a_take_over_that_was_killed_are_completed() -> None:
    """They are in daemon.json before the flags are edited."""
    case = existing(
        "/usr/bin/dockerd -H tcp://:2376", config='{"hosts": ["fd://"]}', ours={"hosts": ["fd://"]}
    )
    assert take_over(case).hosts == ("fd://",)


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
    taken = take_over(packaged(f"/usr/bin/dockerd {flags}".strip(), config))
    (edit,) = taken.edits
    expected = f"[Service]\nExecStart=/usr/bin/dockerd {left}\nDelegate=yes\n"
    assert (edit.path, edit.after.decode()) == (PACKAGED, expected)
    assert taken.hosts is None


def test_hosts_that_a_packaged_unit_leaves_to_daemon_json_stay_there() -> None:
    """With those, it would not start after an upgrade before the set-up, either."""
    taken = take_over(packaged("/usr/bin/dockerd", '{"hosts": ["tcp://:2376", "unix:///a"]}'))
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
            take_over(case)
    else:
        assert take_over(case).hosts == ("unix:///var/run/docker.sock", "fd://")


def test_flags_that_stay_clash_with_the_file() -> None:
    """Only those for a setting that the file is to have."""
    argv = ["-D", "-H", "unix:///run/x.sock", "--tls", "--tlscert=/old", "--data-root", "/srv"]
    found = [f"{clash.what}: {clash.why}" for clash in with_flags(argv, {**WANTED, "hosts": []})]
    assert found == [
        "-H unix:///run/x.sock: dockerd refuses to start if daemon.json has hosts, too",
        "--tlscert=/old: dockerd refuses to start if daemon.json has tlscert, too",
    ]


def test_arguments_that_remain() -> None:
    """Those of the trial: without TLS, and without TCP."""
    assert remaining(f"-H fd:// {OLD_PAGE} --debug".split()) == (
        *("-H", "fd://", "-H", "unix:///var/run/docker.sock", "--debug"),
    )
