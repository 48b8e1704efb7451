"""What a removal would bring back, and whether dockerd would start with it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from dockertls_vault.daemon.edit import Edit, Edited
from dockertls_vault.daemon.restored import plaintext, refuse_lost, refuse_plaintext
from dockertls_vault.errors import ConflictingState

from .test_record import set_up

UNIT = "# --tlscert=/gone/comment.pem\n[Service]\nExecStart=\nExecStart=/usr/bin/dockerd {}\n"
EDITS = {
    "an environment file": ("docker", 'DOCKER_OPTS="--tlsverify \\\n{}"\n', False),
    "a unit file": ("override.conf", UNIT, True),
    "a variable of a unit file": ("env.conf", '[Service]\nEnvironment=A=b "B={}"\n', True),
}
EMPTY = Edit(Path("/etc/docker/daemon.json"), b"", b"", is_unit=False)
FLAGS = ["--tlscert={}", "--tlscert {}", "--tlscacert='{}'", "-D --tlskey={} -H fd://"]


@pytest.mark.parametrize("flag", FLAGS)
@pytest.mark.parametrize(("name", "text", "is_unit"), EDITS.values(), ids=list(EDITS))
def test_flag_that_names_a_missing_file_is_refused(
    name: str, text: str, is_unit: bool, flag: str, tmp_path: Path
) -> None:
    """Not if the file is there, nor if the flag is in effect already."""
    named, path = tmp_path / "cert.pem", Path("/etc") / name
    after = text.format(flag.format(named)).encode()
    edit = Edit(path, text.format("").encode(), after, is_unit)
    with pytest.raises(ConflictingState, match="dockerd would not start") as failure:
        refuse_lost([edit], EMPTY)
    assert failure.value.problems == (f"{path}: {named}",)
    refuse_lost([edit.reversed(), Edit(path, after, after, is_unit)], EMPTY)
    named.touch()
    refuse_lost([edit], EMPTY)


def test_value_in_daemon_json_that_names_a_missing_file_is_refused(tmp_path: Path) -> None:
    """A relative path, as dockerd resolves it where it runs, is left to it."""
    after = f'{{"tlscacert": "{tmp_path}/ca.pem", "tlskey": "key.pem", "tlscert": 1}}'.encode()
    with pytest.raises(ConflictingState) as failure:
        refuse_lost([], replace(EMPTY, after=after))
    assert failure.value.problems == (f"{EMPTY.path}: {tmp_path}/ca.pem",)


ADDED = ["tcp://192.0.2.7:2377", "192.0.2.7", "tcp://"]


@pytest.mark.parametrize("host", ADDED)
@pytest.mark.parametrize("is_flag", [False, True])
def test_tcp_host_of_others_is_not_left_without_tls(host: str, is_flag: bool) -> None:
    """It has had TLS since they added it; nor is it refused if it keeps that, or was there."""
    record, _ = set_up(b"{}")
    given = ["-H", host] if is_flag else []
    listed = "" if is_flag else f'"hosts": ["unix:///a", "{host}"]'
    edit = replace(EMPTY, after=f"{{{listed}}}".encode())
    with pytest.raises(ConflictingState, match="in plaintext") as failure:
        refuse_plaintext(record, given, [], edit)
    assert failure.value.problems == (host,)
    refuse_plaintext(record, [*given, "--tlsverify"], [], edit)
    flags = Path("/etc/default/docker"), b"A=-D", f"A=--tls -H {host}".encode()
    refuse_plaintext(record, given, [Edit(*flags, is_unit=False)], edit)
    path, written, original = flags
    known = Edited(path, written, original.replace(b"--tls ", b""), is_unit=False)
    refuse_plaintext(replace(record, edited=(known,)), given, [], edit)
    before = json.dumps({"hosts": [host]}).encode()
    was_there = replace(record, original=before, written=b'{"hosts": []}')
    refuse_plaintext(was_there, given, [], edit)
    refuse_plaintext(record, ["-H", "unix:///a"], [], EMPTY)


def test_tcp_hosts_without_tls() -> None:
    """Those that stay, and those that the edits bring back, each once."""
    path = Path("/etc/default/docker")
    edit = Edit(path, b"A=-D", b"A='-H tcp://:2375 -H fd://'", is_unit=False)
    configuration = replace(EMPTY, after=b'{"hosts": ["unix:///a", "tcp://a", "tcp://b"]}')
    assert plaintext(["-H", "tcp://a"], [edit], configuration) == (
        "tcp://a",
        "tcp://:2375",
        "tcp://b",
    )
    assert plaintext([], [edit.reversed()], EMPTY) == ()
    for flag, has_tls in (("--tls", True), ("--tls=false", False), ("--tlsverify=false", True)):
        back = Edit(path, b"A=-D", f"A='{flag} -H tcp://a'".encode(), is_unit=False)
        assert plaintext([], [back], EMPTY) == (() if has_tls else ("tcp://a",)), flag
    assert plaintext([], [edit], replace(EMPTY, after=b'{"tlsverify": true}')) == ()
