"""Write the pages of the reference that the code itself tells: commands, settings, statuses.

``python scripts/reference.py`` writes them; a test compares, so that they are never behind.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from dockertls_vault import errors
from dockertls_vault.cli.main import app
from dockertls_vault.docker.diagnosis.report import Result
from dockertls_vault.settings import schema

if TYPE_CHECKING:
    from collections.abc import Iterator

# What tests/vault/test_as_bao.py finds to differ, or to be about printing alone, and why it should.
_LEFT_OUT = {
    "`VAULT_WRAP_TTL`": "every answer would be wrapped, and none could be read",
    "`VAULT_MFA`": "a login that wants a second factor is refused, with words",
    "`VAULT_CLIENT_CERT_BYTES`, `VAULT_CLIENT_KEY_BYTES`": "a key has no place in the environment",
    "`VAULT_SRV_LOOKUP`": "several addresses can be named",
    "`VAULT_RATE_LIMIT`": "a command sends a handful of requests",
    "`VAULT_FORMAT`, `VAULT_DETAILED`, `VAULT_CLI_NO_COLOR`, `VAULT_LOG_LEVEL`": "they are about "
    "what `bao` prints; here it is `--output`, `-v` and `NO_COLOR`",
    "the system's CAs beside those that are given": "whoever names CAs means these, as with "
    "HashiCorp's command line",
    "SOCKS proxies": "HTTP proxies alone are spoken to",
    "a user, a query or a fragment in an address": "addresses are shown, and a password with them",
    "HTTP/2": "requests are few, and come one after the other",
}

DIRECTORY = Path(__file__).parents[1] / "docs" / "reference"


def pages() -> dict[str, str]:
    """Return each page's text by its name."""
    return {
        "commands.md": _commands(),
        "settings.md": _settings(),
        "exit-statuses.md": _exit_statuses(),
    }


def commands(command: Any = None, path: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    """Return every command that does something, by its full name."""
    command = command or typer.main.get_command(app)
    if not hasattr(command, "list_commands"):
        yield " ".join(path), command
        return
    context = typer.Context(command, info_name=command.name)
    for name in command.list_commands(context):
        yield from commands(command.get_command(context, name), (*path, name))


def _commands() -> str:
    root = typer.main.get_command(app)
    parts = [
        "# Commands",
        "",
        f"{root.help}",
        "",
        "Results go to stdout, words about them to stderr. On a terminal errors, warnings, hints",
        "and tables have colours, unless `NO_COLOR` is set; then nothing is styled at all. In a",
        "pipe a row of a table is one line, with tabs between the columns, and so is a name with",
        "its value (a value of several lines has the name on each). A reader may go before the",
        "end, as in `check | head -1`: the exit status stays that of the command. With stdout on a",
        "full disk what the command does is done all the same, and instead of 0 it ends with 74.",
        "`help COMMAND` and `version` work as `--help` and `--version`.",
        "",
    ]
    parts += ["Options of the program itself, before a command:", "", *_options(root), ""]
    for name, command in commands():
        arguments = [found for found in command.params if found.param_type_name == "argument"]
        usage = " ".join(["dockertls-vault", name, "[OPTIONS]", *map(_argument, arguments)])
        parts += [f"## {name}", "", f"`{usage}`", "", " ".join(command.help.split()), ""]
        parts += [f"- `{_argument(found)}`: {' '.join(found.help.split())}" for found in arguments]
        parts += [""] if arguments else []
        parts += [*_options(command), ""]
    return "\n".join(parts)


def _options(command: Any) -> list[str]:
    rows = ["| option | what it is for | variables | default |", "| --- | --- | --- | --- |"]
    for option in command.params:
        if option.param_type_name != "option":
            continue
        names = ", ".join(f"`{name}`" for name in (*option.opts, *option.secondary_opts))
        metavar = "" if option.is_flag else f" {_metavar(option)}"
        text, variables, default = _split(option.help or "")
        if not default and not option.is_flag and option.default not in (None, "", []):
            default = str(getattr(option.default, "value", option.default))
        cells = (_cell(text), ", ".join(f"`{name}`" for name in variables), _cell(default))
        rows.append(f"| {names}{_cell(metavar)} | {' | '.join(cells)} |")
    return rows


def _argument(argument: Any) -> str:
    return str(argument.metavar or argument.name.upper())


def _metavar(option: Any) -> str:
    choices = getattr(option.type, "choices", None)
    if choices:
        return "|".join(str(getattr(choice, "value", choice)) for choice in choices)
    return str(option.metavar or option.type.name.upper())


def _split(text: str) -> tuple[str, list[str], str]:
    """Return what an option is for, its variables and its default (options.described())."""
    text, _, told = " ".join(text.split()).removesuffix("]").partition(" [")
    parts = dict(part.split(": ", 1) for part in told.split("; ") if part)
    variables = parts.get("env var", "")
    return text, variables.split(", ") if variables else [], parts.get("default", "")


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("``", "`")


def _settings() -> str:
    defaults = schema.Settings()
    parts = [
        "# Settings",
        "",
        "A flag wins over a variable, a variable over the user's file",
        "(`$XDG_CONFIG_HOME/dockertls-vault/config.toml`), that over the system's",
        "(`/etc/dockertls-vault/config.toml`). Of two variables the first named wins. An empty",
        "variable is as good as none, and an empty `BAO_X` hides `VAULT_X`. `-v` says which",
        "settings were found, and where.",
        "",
        "The files are TOML; `vault.address` is the key `address` in the table `[vault]`. Secrets",
        "have no key and no flag: they come from the environment, or from a file that is named.",
        "A config.toml that others can write [is refused](files.md#what-else-is-read).",
        "",
        "An address is read once, and means the same ever after: `HTTPS://Vault.Example` is",
        "`https://vault.example`. It has no user, query or fragment, and a host has labels of 1 to",
        "63 characters. A mount has no space, nothing unprintable and none of",
        "``? # % * + \\ \" ' ` $ { }``, and begins with no dash: in a policy, a URL or a shell",
        "these mean something else.",
        "",
        "A duration has units (`w`, `d`, `h`, `m`, `s`, `ms`): `7d`, `1h30m`, `1.5m`, `500ms`. For",
        "a timeout, a number alone is seconds; TTL without a unit is refused.",
        "",
        "| setting | what it is | flag | variables | key in a file | default |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for name, source in schema.sources().items():
        variables = ", ".join(f"`{variable}`" for variable in source.variables)
        flag = f"`{source.flag}`" if source.flag else ""
        key = f"`{source.key}`" if source.key else ""
        default = _default(getattr(defaults, name))
        row = (f"`{name}`", source.doc, flag, variables, key, default)
        parts.append(f"| {' | '.join(map(_cell, row))} |")
    return "\n".join([*parts, "", *_as_bao(), ""])


def _as_bao() -> list[str]:
    return [
        "## What `bao` reads and this does not",
        "",
        "The variables of Vault's and OpenBao's own command lines are read as `bao` reads them: a",
        "test gives each to both, and the same must arrive at a server. What is left out on",
        "purpose differs in that test, but for three that change no more than what `bao` prints:",
        "",
        "| what | why |",
        "| --- | --- |",
        *(f"| {what} | {why} |" for what, why in _LEFT_OUT.items()),
        "",
        "And `VAULT_ADDR` takes more: several addresses, and one with `/v1` at its end. A request",
        "is tried again as long as `--timeout` allows, unless `VAULT_MAX_RETRIES` says how often",
        "(`bao`: twice).",
    ]


def _default(value: object) -> str:
    from datetime import timedelta

    from dockertls_vault.duration import format_duration

    if value is None or value is False:
        return ""
    if isinstance(value, timedelta):
        return format_duration(value)
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _exit_statuses() -> str:
    parts = [
        "# Exit statuses and errors",
        "",
        "0 is success. Each failure says on stderr what failed, why, and what to do; with",
        "`-o json` it is an object on stdout too, whose `code` is one of these:",
        "",
        "| exit status | code | what it means |",
        "| --- | --- | --- |",
    ]
    meanings = _meanings()
    parts += [
        *(
            f"| {error.exit_status} | `{error.code}` | {meanings[error.__name__]} |"
            for error in errors.error_types()[1:]
        ),
        "",
        "70 is a bug: a traceback, to be reported. 130, 143 and 129 are SIGINT, SIGTERM, SIGHUP.",
        "A command line that cannot be understood ends with 2, too, before there is JSON.",
        "`dev -- COMMAND` ends with the status of its command.",
        "",
        "`check` ends with the status of the worst that it found:",
        "",
        "| exit status | result |",
        "| --- | --- |",
        *(f"| {found.exit_status} | `{found.value}` |" for found in Result),
        "",
        "0 means that all its rows were shown to be well. A row that was tried and told nothing is",
        "`unknown`, one that was not tried `skipped`: nothing bad was found there, nor anything",
        "good. See [how to read what is found](../how-to/check.md).",
    ]
    return "\n".join([*parts, ""])


def _meanings() -> dict[str, str]:
    """Return what the tree at the top of errors.py says of each error."""
    found = {}
    for line in (errors.__doc__ or "").splitlines():
        name, _, rest = line.strip(" │├└─").partition(" ")
        status, _, meaning = rest.strip().partition(" ")
        if status.isdigit() and meaning:
            found[name] = meaning.strip()
    return found


if __name__ == "__main__":
    for page, text in pages().items():
        (DIRECTORY / page).write_text(text)
