"""``dockertls-vault auth``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from dockertls_vault.duration import format_duration

from . import options, render
from .options import (
    AuthOption,
    MountOption,
    NamespaceOption,
    Output,
    OutputOption,
    Preferences,
    QuietOption,
    TimeoutOption,
    VerboseOption,
    of_vault,
)

if TYPE_CHECKING:
    from dockertls_vault.vault.token_info import Token
    from dockertls_vault.whoami import Permission, WhoAmI

app = typer.Typer(rich_markup_mode=None, add_completion=False)


@app.command(epilog=of_vault("dockertls-vault auth", "dockertls-vault auth --auth jwt -o json"))
def auth(
    ctx: typer.Context,
    mount: MountOption = None,
    auth: AuthOption = None,
    namespace: NamespaceOption = None,
    timeout: TimeoutOption = None,
    output: OutputOption = Output.TABLE,  # noqa: ARG001 - its callback remembers it
    quiet: QuietOption = False,  # noqa: ARG001 - likewise
    verbose: VerboseOption = False,  # noqa: ARG001 - likewise
) -> None:
    """Show who Vault takes us to be, and what it would let us do."""
    from dockertls_vault.whoami import who_am_i

    preferences = ctx.ensure_object(Preferences)
    settings = options.settings(mount=mount, auth=auth, namespace=namespace, timeout=timeout)
    with options.session(settings, preferences) as session:
        found = who_am_i(session, settings)
    render.show(
        "auth",
        found,
        preferences,
        words=[_fields(found), "", _table(found.commands)],
        warnings=[
            *([_ignored(found.namespace)] if found.namespace_ignored else []),
            *([_used_up(found.used_up)] if found.used_up else []),
        ],
    )


def _fields(found: WhoAmI) -> render.Fields:
    token = found.token
    return render.Fields(
        [
            ("vault", found.address),
            ("namespace", _namespace(found)),
            ("name", token.display_name),
            ("policies", ", ".join(token.policies) or "(none)"),
            ("found", found.found),
            ("ttl", _ttl(token)),
            ("type", f"{token.type}, made at {token.path}"),
            ("entity", token.entity or "(none)"),
        ]
    )


def _namespace(found: WhoAmI) -> str:
    if found.namespace is None:
        return "(none)"
    return f"{found.namespace} (ignored)" if found.namespace_ignored else found.namespace


def _ignored(namespace: str | None) -> str:
    return (
        f"this server has no namespaces, as Vault Community has none, and ignores {namespace!r}: "
        "commands act on all of it"
    )


def _used_up(where: str) -> str:
    return f"this used up the wrapping token of {where}: the next command needs another one"


def _ttl(token: Token) -> str:
    words = ["does not end" if token.ttl is None else format_duration(token.ttl)]
    if token.renewable:
        words.append("can be renewed")
    if token.uses_left is not None:
        words.append(f"uses left: {token.uses_left}")
    return ", ".join(words)


def _table(commands: tuple[Permission, ...]) -> render.Table:
    rows = [
        (
            _result(permission),
            permission.command,
            permission.missing
            or (f"allowed, but: {permission.obstacle}" if permission.obstacle else ""),
        )
        for permission in commands
    ]
    return render.Table(("result", "command", "what it lacks"), rows, graded=True)


def _result(permission: Permission) -> str:
    if not permission.allowed:
        return "denied"
    return "warning" if permission.obstacle else "ok"
