"""Command lines of services, split and expanded as systemd does it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dockertls_vault.host.command_line import expand, words

from .environment_files import VARIABLES, WORDS


@pytest.mark.parametrize("word", WORDS)
def test_word_is_expanded(word: str) -> None:
    """As by systemd."""
    assert expand([word], VARIABLES) == WORDS[word]


def test_line_is_expanded() -> None:
    """Word by word."""
    assert expand(["-H", "fd://", "$B", "${B}"], VARIABLES) == (
        *("-H", "fd://", "two", "words", "two words"),
    )


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("  /usr/sbin/dockerd -H\tfd:// ", ["/usr/sbin/dockerd", "-H", "fd://"]),
        ('"a b" \'c d\'e"f g"', ["a b", "c def g"]),
        ("a\\ b '\\'' \"\\\"\" '\"'", ["a b", "'", '"', '"']),
        ("'' \"\" x", ["", "", "x"]),
        ("'open end", ["open end"]),
        ("a\\", ["a"]),
        ("'a\\", ["a"]),
        ("", []),
    ],
)
def test_text_is_split(text: str, values: list[str]) -> None:
    """Quotes are respected anywhere, and removed."""
    assert [each.value for each in words(text)] == values


@given(st.text("ab'\"\\ \t\n"))
def test_any_text_is_split_without_loss(text: str) -> None:
    """What is between the words is blank, and each word by itself is the same word."""
    found = tuple(words(text))
    between = [0, *(edge for each in found for edge in (each.start, each.end)), len(text)]
    gaps = [text[start:end] for start, end in zip(between[::2], between[1::2], strict=True)]
    assert not "".join(gaps).strip(" \t\r\n")
    for each in found:
        assert [one.value for one in words(text[each.start : each.end])] == [each.value]
