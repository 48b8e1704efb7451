"""Environment files: read as systemd does, and edited in place."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dockertls_vault.host.environment_file import environment, parse

from .environment_files import FILES


@pytest.mark.parametrize("kind", FILES)
def test_file_is_read(kind: str) -> None:
    """As by systemd."""
    text, values = FILES[kind]
    assert dict(parse(text.encode()).values) == values


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("A=1\n", 'A="new $"\n'),
        ("# A=1\nB=1\n A = 'x' y  \n#\n", '# A=1\nB=1\n A ="new $"\n#\n'),
        ("A=1\nA=2 \\\n 3\nB=4", 'A=1\nA="new $"\nB=4'),
        ('A="a\nb"\r\nB=1\r\n', 'A="new $"\r\nB=1\r\n'),
        ("A=\nB=\xe9\n", 'A="new $"\nB=\xe9\n'),
        ("A='no end", 'A="new $"'),
        ("A='new $'  \n", "A='new $'  \n"),
        ("A=new $ \n", "A=new $ \n"),
    ],
)
def test_variable_is_replaced_in_place(before: str, after: str) -> None:
    """The last assignment, to the byte, unless it has that value already."""
    after = after.replace('"new $"', '"new \\$"')
    assert parse(before.encode("latin-1")).replaced("A", "new $") == after.encode("latin-1")


def test_variable_that_is_not_set() -> None:
    """It has no line, and no value to replace."""
    found = parse(b"# A=1\nB=1")
    with pytest.raises(KeyError):
        found.replaced("A", "1")
    with pytest.raises(KeyError):
        found.line("A")


def test_line_of_a_variable() -> None:
    """It is that of the assignment that counts."""
    found = parse(b"A=1\nB='\n'\r\nA=2")
    assert (found.line("A"), found.line("B")) == (4, 2)


@given(st.text("A=#;'\"\\$ \t\r\n") | st.text(), st.text())
def test_any_value_is_written_and_read(text: str, value: str) -> None:
    """It is read back as it was, and the other variables stay."""
    for name in (found := parse(text.encode("utf-8", "surrogatepass"))).values:
        again = parse(found.replaced(name, value))
        assert dict(again.values) == {**found.values, name: value}


@given(st.binary())
def test_any_bytes_are_read(data: bytes) -> None:
    """A file in another encoding, too."""
    found = parse(data)
    assert found.text.encode("utf-8", "surrogateescape") == data


def test_files_replace_what_the_unit_sets() -> None:
    """The later one counts: systemd.exec(5), EnvironmentFile=."""
    files = [parse(b"A=file\nB=one"), parse(b"B=two")]
    assert environment(["A=unit", "C=x=y"], files) == {"A": "file", "B": "two", "C": "x=y"}
