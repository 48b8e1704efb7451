"""Lines end where a reader can go on."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dockertls_vault.cli.wrapping import wrap

FINGERPRINT = ":".join(["A0"] * 32)


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("", [""]),
        ("it fits", ["it fits"]),
        ("at a space and nowhere else", ["at a space and", "nowhere else"]),
        ("one\n\n  two", ["one", "", "  two"]),
        ("a:b c:d e:f g:h i:j", ["a:b c:d e:f g:h", "i:j"]),
        (f"it is {FINGERPRINT[:23]}", ["it is A0:A0:A0:", "A0:A0:A0:A0:A0"]),
        ("/etc/docker/tls/server-cert.pem", ["/etc/docker/tls/", "server-cert.pem"]),
        ("tcp://a.example.com:2376", ["tcp://", "a.example.com:", "2376"]),
        ("x" * 33, ["x" * 16, "x" * 16, "x"]),
    ],
)
def test_a_line_ends_at_a_sensible_place(text: str, lines: list[str]) -> None:
    """At a space; within a word too long for a line after a separator; anywhere at the last."""
    assert wrap(text, 16).split("\n") == lines


@given(st.text(), st.integers(1, 100))
def test_nothing_is_too_long_and_nothing_is_lost(text: str, width: int) -> None:
    """Whatever the text: only spaces go, at the ends of lines."""
    wrapped = wrap(text, width)
    assert all(len(line) <= width for line in wrapped.split("\n"))
    assert "".join(wrapped.split()) == "".join(text.split())
