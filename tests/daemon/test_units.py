"""The unit files of a set-up: which are ours, and what an administrator reads in them."""

from __future__ import annotations

import pytest

from dockertls_vault.daemon import units
from dockertls_vault.daemon.desired import DEFAULT, parse_listens
from dockertls_vault.host import command_line, unit_file, unit_origin


@pytest.mark.parametrize(
    ("texts", "extra", "is_known"),
    [
        (["2376"], b"", True),
        (["10.0.0.7:2376", "[::1]:2377"], b"", True),
        (["2376"], b"ListenStream=/run/x.sock\n", False),
        (["2376"], b"SocketMode=0600\n", False),
        ([], b"\xff", False),
    ],
)
def test_socket_says_where_it_listens(texts: list[str], extra: bytes, is_known: bool) -> None:
    """Only as we write it: what else is in it would be lost."""
    listens = parse_listens(texts)
    assert units.listens(units.socket(listens) + extra) == (listens if is_known else ())


@pytest.mark.parametrize("content", [units.drop_in(), units.socket((DEFAULT,))])
def test_our_files_begin_with_our_name(content: bytes) -> None:
    """The rest of the line is for people, and another version may word it otherwise."""
    assert unit_origin.is_ours(content)
    assert unit_origin.is_ours(content.replace(b": put changes into", b", version 9", 1))
    assert not unit_origin.is_ours(b"# A copy\n" + content)


def read_by_systemd() -> list[str]:
    """Return the command of our drop-in as systemd has it: without specifiers."""
    settings = unit_file.settings(units.drop_in().decode())
    (value,) = (each.value for each in settings if each.name == "ExecStartPre")
    return [word.value.replace("%%", "%") for word in command_line.words(value)]


def test_host_is_guarded_by_our_command_only() -> None:
    """Beside others, and neither by a part of it nor by another."""
    program, option, script = read_by_systemd()
    other = ["/bin/true"]
    ours = [program, option, script.replace("    ", " ")]
    text = units.drop_in()
    assert units.guards(text, [other, ours])
    assert units.guards(
        text.replace(b"closing", b"shutting"), [[*ours[:2], ours[2].replace("closing", "shutting")]]
    )
    assert not units.guards(text.partition(b"ExecStartPre")[0], [ours])
    assert not units.guards(b"# Ours\n" + text, [ours])
    for commands in ([], [other], [[program, option]], [[program, option, script + ";"]]):
        assert not units.guards(text, commands)


def test_lines_are_short_enough_for_a_terminal() -> None:
    """`systemctl cat` neither wraps nor cuts them."""
    assert max(map(len, units.drop_in().splitlines())) <= 100
