"""dockerd's flags, as dockerd parses them."""

from __future__ import annotations

import json
import re
import subprocess
from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dockertls_vault.docker.flags import Flags, arguments, parse, without
from dockertls_vault.errors import ConfigurationError
from tests.harness.dockerd import find_dockerd

if TYPE_CHECKING:
    from pathlib import Path

THE_OLD_PAGE = (
    "--tlsverify --tlscacert=/etc/docker/ca.pem --tlscert=/etc/docker/server-cert.pem "
    "--tlskey=/etc/docker/server-key.pem -H tcp://0.0.0.0:2376 -H unix:///var/run/docker.sock"
)
CASES = [
    ("", Flags()),
    (
        THE_OLD_PAGE,
        Flags(
            hosts=("tcp://0.0.0.0:2376", "unix:///var/run/docker.sock"),
            tlsverify=True,
            tlscacert="/etc/docker/ca.pem",
            tlscert="/etc/docker/server-cert.pem",
            tlskey="/etc/docker/server-key.pem",
        ),
    ),
    ("-H fd://", Flags(hosts=("fd://",))),
    ("-Hfd://", Flags(hosts=("fd://",))),
    ("-H=fd://", Flags(hosts=("fd://",))),
    ("--host fd:// --host=unix:///a", Flags(hosts=("fd://", "unix:///a"))),
    ("-DH fd://", Flags(hosts=("fd://",), unknown=("-D",))),
    ("-DHfd://", Flags(hosts=("fd://",), unknown=("-D",))),
    ("-DH=fd://", Flags(hosts=("fd://",), unknown=("-D",))),
    ("-D=false -Hunix:///D", Flags(hosts=("unix:///D",), unknown=("-D=false",))),
    ("--tlscacert -H", Flags(tlscacert="-H")),
    ("--tlscacert=/a --tlscacert /b", Flags(tlscacert="/b")),
    ("--tls --tlsverify=false", Flags(tls=True, tlsverify=False)),
    ("--tls=T --tlsverify=0", Flags(tls=True, tlsverify=False)),
    ("--tlsverify --tlsverify=F", Flags(tlsverify=False)),
    ("--live-restore", Flags(live_restore=True)),
    ("--data-root -H -p -H", Flags(unknown=("--data-root", "-H", "-p", "-H"))),
    ("--exec-root -H --graph -H", Flags(unknown=("--exec-root", "-H", "--graph", "-H"))),
    (
        "--label a=b --tls --log-level warn -l=error",
        Flags(tls=True, unknown=("--label", "a=b", "--log-level", "warn", "-l=error")),
    ),
]
KEYS = {
    "hosts": "hosts",
    "tls": "tls",
    "tlsverify": "tlsverify",
    "tlscacert": "tlscacert",
    "tlscert": "tlscert",
    "tlskey": "tlskey",
    "live-restore": "live_restore",
}


@pytest.mark.parametrize(("line", "flags"), CASES)
def test_flags_are_parsed(line: str, flags: Flags) -> None:
    """Each spelling that pflag has, and the example of Docker's documentation."""
    assert parse(line.split()) == flags


@pytest.mark.parametrize(("line", "flags"), CASES)
def test_dockerd_parses_them_so(line: str, flags: Flags, tmp_path: Path) -> None:
    """It prints each flag whose key is in its configuration file, too."""
    printed = dockerd(line, tmp_path, dict.fromkeys(KEYS, "in the file"))
    given = {key: getattr(flags, field) for key, field in KEYS.items()}
    wanted = {key: spelled(value) for key, value in given.items() if value not in {None, ()}}
    found = re.findall(r"([\w-]+): \(from flag: (.*?), from file: in the file\)", printed)
    assert dict(found) == wanted


NAMED = (
    "--add-runtime a=/b --authorization-plugin a --cluster-store-opt a=b -D --dns 192.0.2.1 "
    "--default-address-pool base=10.0.0.0/8,size=24 --default-ulimit nofile=1:1 --dns-opt a "
    "--exec-opt a=b --insecure-registry a --label a=b --log-opt a=b --mtu 1400 "
    "--node-generic-resource a=b --registry-mirror https://a --storage-opt a=b -l warn -H fd:// "
    "-g /g --exec-root /e -p /p"
)


def test_dockerd_compares_each_flag_with_its_key(tmp_path: Path) -> None:
    """Most that can be repeated have a plural; it adds up the runtimes. --graph has its own key."""
    keys = parse(NAMED.split()).keys
    words = {each.name for each in arguments(NAMED.split())}
    printed = dockerd(
        NAMED, tmp_path, dict.fromkeys({*keys, "runtimes", "data-root"}, "in the file")
    )
    found = re.findall(r"([\w-]+): \(from flag: .*?, from file: in the file\)", printed)
    assert set(found) == set(keys)
    assert len(keys) == len(words - {"add-runtime"})


def dockerd(line: str, directory: Path, config: dict[str, str]) -> str:
    """Return what dockerd prints before it exits for a wrong configuration."""
    file = directory / "daemon.json"
    file.write_text(json.dumps(config))
    command = [find_dockerd(), f"--config-file={file}", *line.split()]
    run = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert run.returncode == 1
    return run.stderr


def spelled(value: object) -> str:
    """Return a value as Go prints it."""
    if isinstance(value, tuple):
        return f"[{' '.join(value)}]"
    return str(value).lower() if isinstance(value, bool) else str(value)


def test_configuration_file_is_the_last_one_named(tmp_path: Path) -> None:
    """As for dockerd."""
    line = f"--config-file /absent --config-file={tmp_path / 'other.json'}"
    assert parse(line.split()).config_file == str(tmp_path / "other.json")
    assert "/other.json: no such file" in dockerd(line, tmp_path, {})


@pytest.mark.parametrize("flag", ["--tls=yes", "--tlsverify=", "-D=on"])
def test_value_that_is_not_boolean_is_refused(flag: str, tmp_path: Path) -> None:
    """As by dockerd."""
    with pytest.raises(ConfigurationError, match=f"flag '{flag}' is not a boolean"):
        parse([flag])
    assert "invalid argument" in dockerd(flag, tmp_path, {})


def test_words_that_are_not_flags_are_kept() -> None:
    """No such word is accepted by dockerd; it is unknown, as is all behind two hyphens."""
    line = ["--tls", "false", "-", "-H", "fd://", "--", "-H", "tcp://"]
    assert parse(line) == Flags(
        hosts=("fd://",), tls=True, unknown=("false", "-", "--", "-H", "tcp://")
    )


def test_flag_without_its_value() -> None:
    """It is rejected by dockerd, and has none here."""
    assert parse(["-H"]).hosts == ("",)
    assert parse(["--tlskey"]).tlskey is None
    assert [each.value for each in arguments(["--oom-score-adjust", "-H", "x"])] == [None, "x"]


@pytest.mark.parametrize(
    ("line", "names", "left"),
    [
        (f"-H fd:// {THE_OLD_PAGE}", "host", THE_OLD_PAGE.partition(" -H")[0]),
        (
            THE_OLD_PAGE,
            "tls tlsverify tlscacert tlscert tlskey",
            "-H tcp://0.0.0.0:2376 -H unix:///var/run/docker.sock",
        ),
        ("-DH fd:// --label=a", "host", "-D --label=a"),
        ("-DHfd:// --label a", "debug label", "-Hfd://"),
        ("--tlscacert /a --containerd=/c", "tlscacert", "--containerd=/c"),
        ("--tlsverify=false a -- -H x", "tlsverify host", "a -- -H x"),
    ],
)
def test_flags_are_removed_with_their_values(line: str, names: str, left: str) -> None:
    """The others stay as they are written."""
    assert without(line.split(), names.split()) == tuple(left.split())


WORDS = st.text("-DHl=x:/", max_size=5) | st.sampled_from(["--tls", "--host", "-H", "--", "--x=y"])


@given(st.lists(WORDS, max_size=6))
@example(["-x-"])
def test_nothing_is_lost(argv: list[str]) -> None:
    """Any words are parsed, into the same letters, and a second time into the same flags."""
    kept = without(argv, ())
    assert without(kept, ()) == kept
    assert "".join(kept).replace("-", "") == "".join(argv).replace("-", "")
    assert tuple(arguments(kept)) == tuple(arguments(argv))
