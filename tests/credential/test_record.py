"""request.json: what a credential was requested with, kept so that it can be renewed."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dockertls_vault.certificate.names import Names
from dockertls_vault.certificate.request import KeyType
from dockertls_vault.credential import record
from dockertls_vault.credential.layout import Layout
from dockertls_vault.errors import ConflictingState
from dockertls_vault.window import parse_window
from tests.credentials import CLIENT, SERVER, put

if TYPE_CHECKING:
    from pathlib import Path

FULL = replace(
    SERVER,
    request=replace(
        SERVER.request,
        names=Names(("a.example", "*.b.example"), ("10.0.0.1", "2001:db8::1")),
        common_name=None,
        key_type=KeyType.RSA_4096,
    ),
    layout=Layout.DIND,
    trust_mount="roots",
    owner="1000",
    group="docker",
    detected_names=Names(("a.example", "localhost"), ("10.0.0.1",)),
    reuse_key=True,
    hooks=(("systemctl", "try-restart", "docker"), ("sh", "-c", "", "é")),
    window=parse_window("Sat,Sun 02:00-04:00"),
)


def read(directory: Path) -> record.Record | None:
    """Read the record kept for the credential in ``directory``."""
    opened = os.open(directory, os.O_RDONLY)
    try:
        return record.read(directory, opened)
    finally:
        os.close(opened)


@pytest.mark.parametrize("kept", [CLIENT, SERVER, FULL], ids=["client", "server", "every field"])
def test_record_survives_a_round_trip_through_json(kept: record.Record) -> None:
    """A renewal requests exactly the same."""
    assert record.from_json(json.loads(json.dumps(record.to_json(kept)))) == kept


def test_record_is_written_by_the_install(tmp_path: Path) -> None:
    """There is no record before."""
    assert read(tmp_path) is None
    put(tmp_path, 1, CLIENT)
    assert read(tmp_path) == CLIENT


@pytest.mark.parametrize(
    "change",
    [
        {"version": 2},
        {"purpose": "both"},
        {"mount": ""},
        {"mount": "../../sys"},
        {"mount": "pki\0"},
        {"role": 1},
        {"role": "server/../../root/sign-self-issued"},
        {"dns_names": "abc"},
        {"dns_names": {"a.example": 1}},
        {"dns_names": ["-"]},
        {"ip_addresses": [1]},
        {"common_name": "a\nb"},
        {"ttl_seconds": 0},
        {"ttl_seconds": True},
        {"ttl_seconds": 1.5},
        {"ttl_seconds": 10**30},
        {"key_type": "dsa"},
        {"layout": "podman"},
        {"trust_mount": ""},
        {"trust_mount": "pki?"},
        {"owner": 1000},
        {"detected_names": "a.example"},
        {"detected_names": [1]},
        {"reuse_key": 1},
        {"reuse_key": None},
        {"hooks": "none"},
        {"hooks": False},
        {"hooks": ["systemctl restart docker"]},
        {"hooks": [[]]},
        {"hooks": [[""]]},
        {"hooks": [["sh", 1]]},
        {"hooks": [["sh", "a\0"]]},
        {"hooks": [["sh", "\ud800"]]},
        {"hooks": [["\ud800"]]},
        {"owner": "\ud800"},
        {"group": "a\0b"},
        {"window": "now"},
        {"window": 1},
    ],
    ids=str,
)
def test_field_that_issue_would_refuse_is_reported_as_damage(
    tmp_path: Path, change: dict[str, Any]
) -> None:
    """Each field has its type and is valid for `issue`; otherwise nothing is renewed."""
    put(tmp_path, 1, CLIENT)
    file = tmp_path / ".dockertls" / "request.json"
    kept = json.loads(file.read_text())
    file.chmod(0o644)
    file.write_text(json.dumps({**kept, **change}))
    with pytest.raises(ConflictingState, match=r"request\.json is corrupt"):
        read(tmp_path)


@given(st.sampled_from(sorted(record.to_json(CLIENT))))
def test_record_with_a_missing_field_is_refused(field: str) -> None:
    """A default is not guessed."""
    kept = record.to_json(CLIENT)
    del kept[field]
    with pytest.raises(KeyError, match=field):
        record.from_json(kept)
