"""Which commands ``--hook`` accepts, and which need a shell."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from dockertls_vault.cli.hook_option import parse_hooks
from dockertls_vault.errors import InvalidInput

PATH = "/usr/bin:/bin"
TRUE = shutil.which("true", path=PATH)


@pytest.mark.parametrize(
    ("text", "arguments"),
    [
        ("true", ()),
        ("/bin/true", ()),
        ("true 'two words' \"and two\" three\\ four", ("two words", "and two", "three four")),
        ("true 'a; $b `c` | d'", ("a; $b `c` | d",)),
        ("true \"a; b | c\" ''", ("a; b | c", "")),
        ("true \\; \\$x", (";", "$x")),
        ("true a=b --c=d", ("a=b", "--c=d")),
    ],
)
def test_command_is_split_as_a_shell_would(text: str, arguments: tuple[str, ...]) -> None:
    """Quotes group words, and the program becomes an absolute path."""
    ((program, *rest),) = parse_hooks([text], PATH)
    assert program == ("/bin/true" if text.startswith("/") else TRUE)
    assert tuple(rest) == arguments


@pytest.mark.parametrize(
    "text",
    [
        "true; true",
        "true && true",
        "true | true",
        "true > file",
        "true $HOME",
        'true "$HOME"',
        "true `id`",
        "true ~/x",
        "true *.pem",
        "(true)",
        "true\ntrue",
    ],
)
def test_command_that_needs_a_shell_is_refused(text: str) -> None:
    """The hint has a command that works, because no shell expands the one given."""
    with pytest.raises(InvalidInput, match="not run by a shell") as raised:
        parse_hooks([text], PATH)
    assert "sh -c" in raised.value.hint


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        ([""], "it is empty"),
        (["  "], "it is empty"),
        (["true 'open"], "No closing quotation"),
        (["bin/true"], "bin/true is relative"),
        (["/nowhere/true"], "no executable '/nowhere/true'"),
        (["/etc/passwd"], "no executable '/etc/passwd'"),
        (["none", "true"], "no executable 'none'"),
        (["true \udcff"], "not valid UTF-8"),
        (["true", f"true {'a' * 65536}"], "longer than 64 KiB"),
    ],
)
def test_command_that_cannot_be_run_is_refused(texts: list[str], message: str) -> None:
    """It is rejected before anything is requested."""
    with pytest.raises(InvalidInput, match=message):
        parse_hooks(texts, PATH)


def test_none_removes_the_hooks() -> None:
    """It removes those that were requested before."""
    assert parse_hooks(["none"], PATH) == ()
    assert Path(parse_hooks(["true", "true"], PATH)[1][0]).name == "true"
