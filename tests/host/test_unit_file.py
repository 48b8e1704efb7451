"""Unit files: where their settings are."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from dockertls_vault.host.unit_file import settings

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
        ("Service", "Environment", 10),
    ]
    assert [each.value.split() for each in found[1:]] == [
        [],
        ["/usr/sbin/dockerd", "-H", "fd://", "--tlsverify", "\\x20"],
        ['"A=b"'],
    ]
    value = found[2].value
    assert UNIT[found[2].start :].replace("\\\n", "  ").startswith(value)


@given(st.text("[]\\=# ;\nAB"))
def test_any_text_is_read(text: str) -> None:
    """Each value is where it says."""
    for each in settings(text):
        assert text[each.start :].replace("\\\n", "  ").startswith(each.value)
