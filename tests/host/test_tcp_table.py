"""The TCP sockets of a network namespace, as the kernel prints them."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from dockertls_vault.host import tcp_table
from dockertls_vault.host.tcp_table import Entry, decode

if TYPE_CHECKING:
    from pathlib import Path

HEADING = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid\n"
LISTENS = (
    "   0: 00000000:0948 00000000:0000 0A 00000000:00000000 00:00000000 00000000   101        "
    "0 17 1 0000000000000000 100 0 0 10 0\n"
)
V6 = "B80D0120000000000000000007000000"


@pytest.mark.parametrize(
    ("line", "entries"),
    [
        (LISTENS, [Entry("00000000", 2376, "00000000", "0A", "17", 101)]),
        (
            LISTENS.replace("00000000:0948 00000000:0000 0A", f"{V6}:0948 {V6}:AC0C 01"),
            [Entry(V6, 2376, V6, "01", "17", 101)],
        ),
        (HEADING, []),
        (LISTENS.replace("0948", "948"), []),
        (LISTENS[:60], []),
        ("\n", []),
    ],
)
def test_line_of_a_table_is_read(line: str, entries: list[Entry]) -> None:
    """Of both families; what is no socket is skipped."""
    assert list(tcp_table.parse([line])) == entries


@pytest.mark.skipif(sys.byteorder == "big", reason="the words are those of a little-endian host")
@pytest.mark.parametrize(
    ("words", "address"),
    [
        ("0500000A", "10.0.0.5"),
        ("0000000000000000FFFF00000600000A", "10.0.0.6"),
        (V6, "2001:db8::7"),
    ],
)
def test_address_is_written_as_usual(words: str, address: str) -> None:
    """IPv4 also at an IPv6 socket."""
    assert decode(words) == address


def test_kernel_without_a_family_has_no_table_of_it(tmp_path: Path) -> None:
    """As one without IPv6."""
    (tmp_path / "tcp").write_text(HEADING + LISTENS)
    assert [each.inode for each in tcp_table.read(tmp_path)] == ["17"]
