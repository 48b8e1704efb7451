"""The unit files of a set-up: which are ours, and what an administrator reads in them."""

from __future__ import annotations

import pytest

from dockertls_vault.daemon import units
from dockertls_vault.daemon.desired import DEFAULT

AUTHOR = b"# Written by `dockertls-vault daemon configure`"


@pytest.mark.parametrize(
    ("text", "ours"),
    [
        (units.drop_in(), True),
        (units.socket((DEFAULT,)), True),
        (AUTHOR + b", version 9\n[Socket]\n", True),
        (b"# A copy\n" + units.drop_in(), False),
        (b"# Not written by `dockertls-vault daemon configure`\n", False),
        (b"# Written by `dockertls-vault daemon configure2`\n", False),
        (b"", False),
    ],
)
def test_our_files_begin_with_our_name(text: bytes, ours: bool) -> None:
    """The rest of the line is for people, and another version may word it otherwise."""
    assert units.is_ours(text) == ours


def test_lines_are_short_enough_for_a_terminal() -> None:
    """`systemctl cat` neither wraps nor cuts them."""
    assert max(map(len, units.drop_in().splitlines())) <= 100
