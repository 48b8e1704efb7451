"""Which containers a restart of dockerd removes."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from dockertls_vault.daemon import containers
from dockertls_vault.docker.engine import Engine

if TYPE_CHECKING:
    from collections.abc import Mapping

DETAILS: Mapping[str, Mapping[str, Any] | None] = {
    "1": {"HostConfig": {"AutoRemove": True}},
    "2": {"HostConfig": {"AutoRemove": False}},
    "3": {"HostConfig": None},
    "4": None,
    "5": {"HostConfig": {"AutoRemove": True}},
}
RUNNING = {"web": "1", "db": "2", "odd": "3", "gone": "4", "job": "5"}


class Described(Engine):
    """An engine whose containers are described in ``DETAILS``."""

    def container(self, identifier: str) -> Mapping[str, Any] | None:
        """Return what is known of it."""
        return DETAILS[identifier]


@pytest.mark.parametrize(
    ("version", "is_old"),
    [
        ("20.10.24+dfsg1", True),
        ("24.0.7", True),
        ("24.0.8", False),
        ("25.0.0-rc.1", False),
        ("26.1.5+dfsg1", False),
        (None, True),
    ],
)
def test_old_docker_removes_what_was_started_with_rm(version: str | None, is_old: bool) -> None:
    """moby#46308; one that does not report its version may be old."""
    engine = Described(Path("/nowhere"), timedelta(seconds=1))
    found = containers.removed(engine, {"ServerVersion": version}, RUNNING)
    assert found == (("job", "web") if is_old else ())
