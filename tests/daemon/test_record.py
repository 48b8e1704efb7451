"""The record of a set-up, as it is kept."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from dockertls_vault.daemon.desired import DEFAULT
from dockertls_vault.daemon.edit import Edited
from dockertls_vault.daemon.record import Record
from dockertls_vault.docker import daemon_json

WANTED = {"tlsverify": True, "tlscacert": "/a/ca.pem", "live-restore": True}


def set_up(original: bytes | None, **values: Any) -> tuple[Record, bytes]:
    """Return the record of a set-up, and what it wrote."""
    merged = daemon_json.parse(original or b"").merged(WANTED)
    record = Record(
        certificates=Path("/a"),
        listen=(DEFAULT,),
        daemon_json=Path("/etc/docker/daemon.json"),
        written=merged,
        original=original,
        **values,
    )
    return record, merged


@pytest.mark.parametrize("original", [b'{"proxies": {}}', b"", None])
def test_record_is_complete_in_its_two_parts(original: bytes | None) -> None:
    """What anybody may read, and the files, which may have secrets."""
    edited = Edited(Path("/etc/default/docker"), b"A=", b"A=1", is_unit=False)
    record, _ = set_up(original, directories=(Path("/x"),), edited=(edited,), proven=True)
    kept = Record.from_json(record.to_json(), record.files().__getitem__, Path("/kept"))
    assert kept == record
    assert kept.kept_original(edited) == Path("/kept/0.original")
