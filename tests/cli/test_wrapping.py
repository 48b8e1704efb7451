"""Line wrapping at sensible places."""

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
def test_line_breaks_at_a_space_or_separator(text: str, lines: list[str]) -> None:
    """In a word too long for a line after a separator; anywhere as a last resort."""
    assert wrap(text, 16).split("\n") == lines


@given(st.text(), st.integers(1, 100))
def test_wrapped_lines_fit_and_lose_only_spaces(text: str, width: int) -> None:
    """This holds for any text."""
    wrapped = wrap(text, width)
    assert all(len(line) <= width for line in wrapped.split("\n"))
    assert "".join(wrapped.split()) == "".join(text.split())
