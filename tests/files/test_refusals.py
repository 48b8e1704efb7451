"""What the system refuses, as an error."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from dockertls_vault.errors import CannotWrite
from dockertls_vault.files import reading
from dockertls_vault.files.refusals import refusals

if TYPE_CHECKING:
    from pathlib import Path


def test_message_does_not_show_a_file_descriptor_as_a_name(tmp_path: Path) -> None:
    """OSError has its number in place of a file name, which tells the user nothing."""
    with (
        reading.opened(str(tmp_path)) as opened,
        pytest.raises(CannotWrite) as caught,
        refusals(tmp_path),
    ):
        os.removexattr(opened, "user.none")
    assert caught.value.message.startswith(f"cannot write in {tmp_path}: ")
    assert not caught.value.message.endswith(")")
