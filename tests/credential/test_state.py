"""What a host knows, as `needs-renewal` reads it."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from dockertls_vault.credential import state
from dockertls_vault.credential.registry import Registry
from dockertls_vault.errors import CannotWrite

if TYPE_CHECKING:
    from pathlib import Path

NOW = datetime(2026, 3, 4, 12, tzinfo=UTC)


def test_known_credentials_are_those_in_the_registry(tmp_path: Path) -> None:
    """Without a list, there are none."""
    directory = tmp_path / "state"
    assert (state.known(str(directory)), state.looked_at(str(directory))) == ((), None)
    for name in ("b", os.fsdecode(b"a\n\xff")):
        Registry(directory).add(tmp_path / name)
    assert state.known(str(directory)) == tuple(map(str, Registry(directory).known()))


@pytest.mark.parametrize("umask", [0o022, 0o777])
def test_last_time_that_vault_was_asked_is_recorded(umask: int, tmp_path: Path) -> None:
    """It replaces an earlier one, with any umask."""
    before = os.umask(umask)
    try:
        for now in (NOW, NOW + timedelta(hours=1)):
            Registry(tmp_path / "state").looked(now)
            assert state.looked_at(str(tmp_path / "state")) == now.timestamp()
    finally:
        os.umask(before)


def test_time_is_not_recorded_where_others_can_write(tmp_path: Path) -> None:
    """A symlink that another user made is not followed either."""
    directory = tmp_path / "state"
    directory.mkdir()
    (tmp_path / "other").touch()
    os.utime(tmp_path / "other", (1, 1))
    (directory / state.LOOKED).symlink_to("../other")
    Registry(directory).looked(NOW)
    assert (tmp_path / "other").stat().st_mtime == 1
    directory.chmod(0o777)
    with pytest.raises(CannotWrite, match="every user can write to"):
        Registry(directory).looked(NOW)
