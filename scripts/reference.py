"""Generate reference pages from the code: commands, settings, exit statuses.

``python scripts/reference.py`` writes them; a test fails if they are out of date.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from dockertls_vault import errors
from dockertls_vault.cli.main import app
from dockertls_vault.docker.diagnosis.report import Result
from dockertls_vault.findings import Severity
from dockertls_vault.needs_renewal import Need
from dockertls_vault.settings import schema

if TYPE_CHECKING:
    from collections.abc import Iterator

# What tests/vault/test_as_bao.py finds to differ, or only affects output, and the reason.
_LEFT_OUT = {
    "`VAULT_WRAP_TTL`": "every response would be wrapped, and so unreadable",
    "`VAULT_MFA`": "a login that requires a second factor fails with an explanation",
    "`VAULT_CLIENT_CERT_BYTES`, `VAULT_CLIENT_KEY_BYTES`": "a private key does not belong in the "
    "environment",
    "`VAULT_SRV_LOOKUP`": "`VAULT_ADDR` takes several addresses instead",
    "`VAULT_RATE_LIMIT`": "a command sends only a handful of requests",
    "`VAULT_FORMAT`, `VAULT_DETAILED`, `VAULT_CLI_NO_COLOR`, `VAULT_LOG_LEVEL`": "they control the "
    "output of `bao`; use `--output`, `-v` and `NO_COLOR` instead",
    "the system's CAs in addition to configured ones": "configured CAs replace the system's, as in "
    "HashiCorp's command line",
    "SOCKS proxies": "only HTTP proxies are supported",
    "a user, query or fragment in an address": "addresses are printed, and a password would be too",
    "HTTP/2": "requests are few and sequential",
}

DIRECTORY = Path(__file__).parents[1] / "docs" / "reference"


def pages() -> dict[str, str]:
    """Return the text of each page by file name."""
    return {
        "commands.md": _commands(),
        "settings.md": _settings(),
        "exit-statuses.md": _exit_statuses(),
    }


def commands(command: Any = None, path: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    """Yield every command that is not a group, with its full name."""
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
        "Results are printed on stdout, messages on stderr. On a terminal, errors, warnings, hints",
        "and tables are colored; with `NO_COLOR` nothing is styled. In a pipe, each table row is",
        "one line with tab-separated columns, and each name and value is one line too (the name is",
        "repeated for each line of a longer value). A broken pipe, as in `check | head -1`, does",
        "not change the exit status. If stdout cannot be written, for example because the disk is",
        "full, the command still completes, but exits with 74 instead of 0. `help COMMAND` and",
        "`version` are synonyms of `--help` and `--version`.",
        "",
    ]
    parts += ["Global options, given before a command:", "", *_options(root), ""]
    for name, command in commands():
        arguments = [found for found in command.params if found.param_type_name == "argument"]
        usage = " ".join(["dockertls-vault", name, "[OPTIONS]", *map(_argument, arguments)])
        parts += [f"## {name}", "", f"`{usage}`", "", " ".join(command.help.split()), ""]
        parts += [f"- `{_argument(found)}`: {' '.join(found.help.split())}" for found in arguments]
        parts += [""] if arguments else []
        parts += [*_options(command), ""]
    return "\n".join(parts)


def _options(command: Any) -> list[str]:
    rows = ["| option | description | variables | default |", "| --- | --- | --- | --- |"]
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
    """Split an option's help into description, variables and default (see help.described())."""
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
        "A flag takes precedence over an environment variable, which takes precedence over the",
        "user's file (`$XDG_CONFIG_HOME/dockertls-vault/config.toml`), which takes precedence over",
        "the system's (`/etc/dockertls-vault/config.toml`). If two variables are listed, the first",
        "takes precedence. An empty variable counts as unset, and an empty `BAO_X` unsets",
        "`VAULT_X` too. `-v` shows where each setting that is not the default comes from.",
        "",
        "The files are TOML; `vault.address` is the key `address` in the table `[vault]`. Secrets",
        "have neither a key nor a flag: they are read from the environment, or from a file that a",
        "setting names. A config.toml that other users can write to",
        "[is refused](files.md#what-else-is-read).",
        "",
        "An address is normalized: `HTTPS://Vault.Example` becomes `https://vault.example`. It",
        "must not contain a user, query or fragment, and host labels have 1 to 63 characters.",
        "A mount must not contain spaces, unprintable characters or any of",
        "``? # % * + \\ \" ' ` $ { }``, and must not start with a dash: these have a special",
        "meaning in a policy, a URL or a shell.",
        "",
        "A duration has units (`w`, `d`, `h`, `m`, `s`, `ms`): `7d`, `1h30m`, `1.5m`, `500ms`. A",
        "timeout without a unit is in seconds; a TTL without a unit is refused.",
        "",
        "| setting | description | flag | variables | config key | default |",
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
        "## Differences from `bao`",
        "",
        "The variables of the `vault` and `bao` commands are read as `bao` reads them: a test sets",
        "each of them for both programs, and compares what arrives at a server. The following are",
        "deliberately not supported:",
        "",
        "| not supported | reason |",
        "| --- | --- |",
        *(f"| {what} | {why} |" for what, why in _LEFT_OUT.items()),
        "",
        "`VAULT_ADDR`, in turn, may hold several addresses, and an address may end in `/v1`. A",
        "failed request is retried for as long as `--timeout` allows, unless `VAULT_MAX_RETRIES`",
        "sets the number of retries (`bao`: two).",
    ]


def _default(value: object) -> str:
    from datetime import timedelta

    from dockertls_vault.duration import format_duration

    if value is None or value is False:
        return ""
    if isinstance(value, timedelta):
        return format_duration(value)
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)


_SEVERITIES = sorted(Severity, key=lambda found: found.exit_status)


def _exit_statuses() -> str:
    parts = [
        "# Exit statuses and errors",
        "",
        "0 is success. A failure prints what failed, why, and what to do next on stderr; with",
        "`-o json` it also prints an object on stdout, whose `code` is one of these:",
        "",
        "| exit status | code | meaning |",
        "| --- | --- | --- |",
    ]
    meanings = _meanings()
    parts += [
        *(
            f"| {error.exit_status} | `{error.code}` | {meanings[error.__name__]} |"
            for error in errors.error_types()[1:]
        ),
        "",
        "70 is a bug: please report the traceback. 130, 143 and 129 are SIGINT, SIGTERM, SIGHUP;",
        "but `dev` without a COMMAND and `renew --watch` run until a signal, and then exit with 0.",
        "A usage error exits with 2, without JSON. `dev -- COMMAND` exits with the status of its",
        "command, and `renew --detailed-exitcode` with 2 if anything was renewed.",
        "",
        "`check` exits with the status of its worst result:",
        "",
        "| exit status | result |",
        "| --- | --- |",
        *(f"| {found.exit_status} | `{found.value}` |" for found in Result),
        "",
        "0 means that every check passed. A check that ran without a conclusion is `unknown`, one",
        "that did not run is `skipped`: neither found a problem, nor ruled one out. See",
        "[how to read the results](../how-to/check.md).",
        "",
        "`daemon doctor` has the same statuses. A check that was left out counts as `skipped`, but",
        "not `environment`, `clock` or `roles`. 69 means that dockerd does not run, or does not",
        "answer. See [each finding and its fix](../how-to/diagnose.md#findings-and-their-fixes).",
        "",
        "`daemon clients` exits with 0 if dockerd accepts no CA besides Vault's, and no other host",
        "has failed to connect for want of a trusted CA; with 1 if one has; and with 3 if that is",
        "unknown. See",
        "[Move a hand-made host](../how-to/move-a-hand-made-host.md).",
        "",
        "`needs-renewal` exits with its answer, as `ExecCondition=` of systemd.service(5) expects:",
        "",
        "| exit status | answer |",
        "| --- | --- |",
        *(f"| {need.value} | {need.meaning} |" for need in Need),
        "",
        "For several credentials, the first of 0, 255, 2 and 1 that any of them has is the answer.",
        "",
        "`status` exits with the status of the worst credential, as a monitoring plugin does:",
        "",
        "| exit status | status |",
        "| --- | --- |",
        *(f"| {found.exit_status} | `{found.value}` |" for found in _SEVERITIES),
        "",
        "`unknown` is a credential that cannot be read, or a host on which none is known. See",
        "[what is a warning, and what is critical](../how-to/monitor.md#severities).",
    ]
    return "\n".join([*parts, ""])


def _meanings() -> dict[str, str]:
    """Parse the meaning of each error from the tree in the docstring of errors.py."""
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
