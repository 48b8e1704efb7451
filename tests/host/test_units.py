"""The text of unit files; tests/test_timer.py has systemd read it."""

from __future__ import annotations

from pathlib import Path

import pytest

from dockertls_vault.errors import InvalidInput
from dockertls_vault.host import systemd, units
from dockertls_vault.host.units import Program

PROGRAM = Program(("/opt/a/bin/x",), (Path("/opt/a/bin/x"),))


@pytest.mark.parametrize(
    ("word", "quoted"),
    [
        ("/opt/x", "/opt/x"),
        ("/opt/100%", "/opt/100%%"),
        ("/a b", '"/a b"'),
        ('/a"b', '"/a\\"b"'),
        ("/a\\b", '"/a\\\\b"'),
        ("/a'b", '"/a\'b"'),
    ],
)
def test_words_are_quoted(word: str, quoted: str) -> None:
    """Specifiers are escaped."""
    assert systemd.quote(word) == quoted


def test_path_with_a_line_break_is_refused() -> None:
    """It would become another setting."""
    with pytest.raises(InvalidInput, match="cannot contain"):
        units.texts(PROGRAM, [Path("/srv/a\nExecStartPre=/bin/sh")])


@pytest.mark.parametrize(
    ("place", "visible"),
    [("/srv/tls", "true"), ("/root/.docker", "read-only"), ("/home/a/.docker", "read-only")],
)
def test_homes_are_visible_only_if_needed(place: str, visible: str) -> None:
    """They are needed for a credential there, or for the program itself."""
    service = units.texts(PROGRAM, [Path(place)])[units.SERVICE]
    assert f"\nProtectHome={visible}\n" in service
    service = units.texts(Program(PROGRAM.command, (Path(place),)), [])[units.SERVICE]
    assert f"\nProtectHome={visible}\n" in service


def test_service_may_write_only_below_known_directories() -> None:
    """And nowhere else."""
    service = units.texts(PROGRAM, [Path("/srv/tls")])[units.SERVICE]
    assert units.may_write(service, Path("/srv/tls"))
    assert units.may_write(service, Path("/srv/tls/server"))
    assert not units.may_write(service, Path("/srv/tls2"))
    assert not units.may_write(service, Path("/srv"))
