"""What a removal would bring back, and whether dockerd would start with it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from dockertls_vault.daemon.clashes import Edit
from dockertls_vault.daemon.restored import refuse_lost
from dockertls_vault.errors import ConflictingState

UNIT = "# --tlscert=/gone/comment.pem\n[Service]\nExecStart=\nExecStart=/usr/bin/dockerd {}\n"
EDITS = {
    "an environment file": ("docker", 'DOCKER_OPTS="--tlsverify \\\n{}"\n', False),
    "a unit file": ("override.conf", UNIT, True),
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
