"""The files of a set-up on this host."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from dockertls_vault.daemon.set_up_files import contents
from dockertls_vault.errors import ConfigurationError

if TYPE_CHECKING:
    from pathlib import Path


def test_file_that_cannot_be_read_has_a_hint(tmp_path: Path) -> None:
    """A directory, or a link to nothing; a missing file is none."""
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "gone")
    for path, hint in ((tmp_path, "make it a file"), (link, "remove the link")):
        with pytest.raises(ConfigurationError) as caught:
            contents([path])
        assert hint in caught.value.hint
    assert contents([tmp_path / "gone"]) == {tmp_path / "gone": None}
