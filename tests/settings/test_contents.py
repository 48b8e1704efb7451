"""Files that settings name."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from dockertls_vault.errors import InvalidSetting
from dockertls_vault.settings import contents

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("origin", "prefix"), [("VAULT_CACERT", "VAULT_CACERT: "), (None, "")], ids=["set", "default"]
)
def test_unreadable_file_names_its_setting(tmp_path: Path, origin: str | None, prefix: str) -> None:
    """The user sees which variable to correct; a default has none."""
    file = tmp_path / "nothing"
    with pytest.raises(InvalidSetting) as caught:
        contents.read(file, origin)
    assert caught.value.message == f"{prefix}cannot read {file}: No such file or directory"
