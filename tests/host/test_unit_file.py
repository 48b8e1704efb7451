"""Unit files: where their settings are."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dockertls_vault.host.unit_file import settings, variables

UNIT = """\
[Unit]
Description=A [Service] \\
  of two lines
# ExecStart=/bin/false
[Service]
; ExecStart=/bin/false
ExecStart=
 ExecStart = /usr/sbin/dockerd -H fd:// \\
   --tlsverify \\x20
# A comment ends \\
Environment="A=b"
no setting
"""


def test_settings_are_found() -> None:
    """With their sections and lines; comments are none, and continued lines are one."""
    found = tuple(settings(UNIT))
    assert [(each.section, each.name, each.line) for each in found] == [
        ("Unit", "Description", 2),
        ("Service", "ExecStart", 7),
        ("Service", "ExecStart", 8),
        ("Service", "Environment", 11),
    ]
    assert [each.value.split() for each in found[1:]] == [
        [],
        ["/usr/sbin/dockerd", "-H", "fd://", "--tlsverify", "\\x20"],
        ['"A=b"'],
    ]
    value = found[2].value
    assert UNIT[found[2].start :].replace("\\\n", "  ").startswith(value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("A=a \\\n# our port\n-H b\nC=", ["a", "-H", "b"]),
        ("A=a \\\n  ; one \\\n#two\n-H b\nC=", ["a", "-H", "b"]),
        ("A=a \\\n# the last line", ["a"]),
        ("A=a \\\n\n# not continued\n-H b\nC=", ["a"]),
        ("A=a \\\\\n-H b\nC=", ["a", "\\\\"]),
    ],
)
def test_comments_among_continued_lines_are_blank(text: str, words: list[str]) -> None:
    """As for systemd: an empty line, and an escaped backslash, do not continue."""
    found = next(settings(f"[S]\n{text}"))
    assert found.value.split() == words


@given(st.text("[]\\=# ;\nAB"))
def test_any_text_is_read(text: str) -> None:
    """Each value is where it says, but for blanks."""
    for each in settings(text):
        assert all(
            shown in {here, " "}
            for here, shown in zip(text[each.start :], each.value, strict=False)
        )


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('"A=-H fd:// --tls"', [("A", "-H fd:// --tls", True)]),
        ("B='-D x' C=\"--label a\" D=--one", [("B", "-D x", True), ("C", "--label a", True),
                                               ("D", "--one", False)]),
        ("'E=--x \\\n  --y' F=\"\"", [("E", "--x     --y", True), ("F", "", True)]),
        ('"G=--label \\"a b\\""', [("G", '--label "a b"', False)]),
        ("'H=--label \"a b\"'", [("H", '--label "a b"', True)]),
        ('I="a"b J="K=L"', [("I", "ab", False), ("J", "K=L", True)]),
        ("", []),
    ],
)  # fmt: skip
def test_variables_are_found(text: str, found: list[tuple[str, str, bool]]) -> None:
    """With where a value is, if it is there between quotes as it is."""
    unit = f"[Service]\nEnvironment = {text}\n"
    (setting,) = settings(unit)
    values = list(variables(setting))
    assert [(each.name, each.value, each.start is not None) for each in values] == found
    blanked = unit.replace("\\\n", "  ")
    for each in values:
        if each.start is not None:
            assert blanked[each.start :].startswith(each.value)
