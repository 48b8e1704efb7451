"""`--help`: complete on 80 columns, with defaults, variables and examples."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any

import pytest
import typer

from dockertls_vault.cli import main
from dockertls_vault.settings.schema import sources

if TYPE_CHECKING:
    from collections.abc import Iterator

_ROOT = typer.main.get_command(main.app)


def _all(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Return the program, its groups and their commands, with their command lines."""
    yield path, command
    context = typer.Context(command, info_name=command.name)
    for name in command.list_commands(context) if hasattr(command, "list_commands") else ():
        yield from _all(command.get_command(context, name), (*path, name))


COMMANDS = dict(_all(_ROOT))
RUNNABLE = [path for path, command in COMMANDS.items() if not hasattr(command, "list_commands")]


def said(path: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> str:
    """Return the output of `--help` on a terminal of 80 columns."""
    assert main.run([*path, "--help"]) == 0
    return capsys.readouterr().out


@pytest.fixture(autouse=True)
def eighty_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    """Set the minimum width of a terminal."""
    monkeypatch.setenv("COLUMNS", "80")


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_help_is_complete_on_80_columns(
    path: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    """No line is too long, and no sentence is truncated with dots."""
    lines = said(path, capsys).splitlines()
    assert max(map(len, lines)) <= 80
    truncated = [line for line in lines if line.endswith("...") and not line.startswith("Usage:")]
    assert truncated == []


@pytest.mark.parametrize("path", RUNNABLE, ids=" ".join)
def test_required_argument_has_no_braces(
    path: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    """As in every manual: `rollback [OPTIONS] DIR [GENERATION]`."""
    usage, _, _ = said(path, capsys).partition("\n\n")
    assert usage.startswith(f"Usage: dockertls-vault {' '.join(path)} [OPTIONS]")
    assert not set("{}") & set(usage)


@pytest.mark.parametrize("path", [(), *RUNNABLE], ids=" ".join)
def test_each_command_has_two_valid_examples(
    path: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    """They are calls of that command, with options that exist."""
    _, _, examples = said(path, capsys).partition("Examples:\n")
    lines = examples.strip().splitlines()
    assert len(lines) >= 2
    for line in lines:
        words = shlex.split(
            line.partition(" | ")[0].strip().removeprefix("sudo -E ").removeprefix("sudo ")
        )
        assert words[: 1 + len(path)] == ["dockertls-vault", *path]
        command = COMMANDS[path or tuple(words[1:2])] if words[1:] != ["--help"] else _ROOT
        arguments = words[1 + len(path or words[1:2]) :]
        command.make_context("x", list(arguments), resilient_parsing=True)
        known = {name for found in command.params for name in (*found.opts, *found.secondary_opts)}
        own = arguments[: arguments.index("--")] if "--" in arguments else arguments
        assert {word for word in own if word.startswith("-")} <= known | {"--help"}


@pytest.mark.parametrize("path", RUNNABLE, ids=" ".join)
def test_option_of_a_setting_names_its_variables(
    path: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    """So readers need not look them up in the reference; a daemon's --timeout is no setting."""
    text = " ".join(said(path, capsys).split())
    flags = {option for found in COMMANDS[path].params for option in found.opts}
    own = {"--timeout"} if path[0] in {"check", "daemon", "status"} else set()
    other_role = {"issue client": "server_role", "issue server": "client_role"}
    for name, source in sources().items():
        if source.flag in flags - own and name != other_role.get(" ".join(path)):
            assert all(variable in text for variable in source.variables), name


@pytest.mark.parametrize("path", RUNNABLE, ids=" ".join)
def test_command_that_uses_vault_names_the_required_variables(
    path: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    """They have no flag that could name them."""
    text = " ".join(said(path, capsys).split())
    logs_in = any("--auth" in found.opts for found in COMMANDS[path].params)
    for name in ("VAULT_ADDR", "BAO_ADDR", "VAULT_TOKEN", "BAO_TOKEN", "~/.vault-token"):
        assert (f" {name}" in text) is logs_in, name


@pytest.mark.parametrize(
    ("path", "defaults"),
    [
        (("issue", "server"), {"--ttl": "7d", "--dir": "/etc/docker/tls", "--role": "server"}),
        (("issue", "client"), {"--ttl": "1h", "--dir": "~/.docker", "--role": "client"}),
    ],
    ids=["server", "client"],
)
def test_default_is_the_commands_own(
    path: tuple[str, ...], defaults: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    """A server has the server's default, a client the client's."""
    text = " ".join(said(path, capsys).split())
    for option, default in defaults.items():
        _, _, after = text.partition(f" {option} ")
        assert after.partition("default: ")[2].startswith(f"{default}]"), option
