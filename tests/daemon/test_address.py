"""Where the set-up says that the daemon listens."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from dockertls_vault.daemon import address
from dockertls_vault.docker.endpoint import Endpoint

from .test_pickup import SET_UP, write

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("listen", "endpoint"),
    [
        (["[::]:2377"], Endpoint("127.0.0.1", 2377)),
        (["10.0.0.7:443", "[::1]:2376"], Endpoint("10.0.0.7", 443)),
        (["?", "[::1]:2376"], Endpoint("::1", 2376)),
        (["?", None], None),
        ([], None),
    ],
)
def test_first_address_is_the_one_to_connect_to(
    listen: list[object], endpoint: Endpoint | None, tmp_path: Path
) -> None:
    """As this host reaches it; what cannot be parsed is skipped."""
    write(tmp_path, SET_UP | {"listen": listen, "certificates": str(tmp_path)})
    assert address.find(tmp_path) == endpoint
    assert address.find(tmp_path, tmp_path) == endpoint
    assert address.find(tmp_path, tmp_path / "other") is None
