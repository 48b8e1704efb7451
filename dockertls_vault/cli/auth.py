"""``dockertls-vault auth``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dockertls_vault.duration import format_duration
from dockertls_vault.settings.schema import Settings

from . import render
from .help import Command, single_command, vault_epilog
from .options import VAULT, with_preferences, with_settings
from .preferences import Preferences
from .session import open_session

if TYPE_CHECKING:
    from dockertls_vault.vault.token_info import Token
    from dockertls_vault.whoami import Permission, WhoAmI

app = single_command()


@app.command(
    cls=Command,
    epilog=vault_epilog("dockertls-vault auth", "dockertls-vault auth --auth jwt -o json"),
)
@with_preferences("output", "quiet", "verbose")
@with_settings("mount", *VAULT)
def auth(settings: Settings, preferences: Preferences) -> None:
    """Show the current token and the commands its policies allow."""
    from dockertls_vault.whoami import who_am_i

    with open_session(settings, preferences) as session:
        found = who_am_i(session, settings)
    render.show(
        "auth",
        found,
        preferences,
        parts=[_fields(found), "", _table(found.commands)],
        warnings=_warnings(found),
    )


def _warnings(found: WhoAmI) -> list[str]:
    warnings = []
    if found.namespace_ignored:
        warnings.append(_ignored_namespace(found.namespace))
    if found.consumed_wrapping_token:
        warnings.append(_consumed_wrapping_token(found.consumed_wrapping_token))
    return warnings


def _fields(found: WhoAmI) -> render.Fields:
    token = found.token
    return render.Fields(
        [
            ("vault", found.address),
            ("namespace", _namespace(found)),
            ("name", token.display_name),
            ("policies", ", ".join(token.policies) or "(none)"),
            ("token source", found.token_source),
            ("ttl", _ttl(token)),
            ("type", f"{token.type}, created at {token.path}"),
            ("entity", token.entity_id or "(none)"),
        ]
    )


def _namespace(found: WhoAmI) -> str:
    if found.namespace is None:
        return "(none)"
    return f"{found.namespace} (ignored)" if found.namespace_ignored else found.namespace


def _ignored_namespace(namespace: str | None) -> str:
    return (
        f"this server does not support namespaces (Vault Community) and ignores {namespace!r}: "
        "commands act on the whole server"
    )


def _consumed_wrapping_token(source: str) -> str:
    return f"this consumed the wrapping token from {source}: the next command needs a new one"


def _ttl(token: Token) -> str:
    parts = ["never expires" if token.ttl is None else format_duration(token.ttl)]
    if token.renewable:
        parts.append("renewable")
    if token.remaining_uses is not None:
        parts.append(f"remaining uses: {token.remaining_uses}")
    return ", ".join(parts)


def _table(commands: tuple[Permission, ...]) -> render.Table:
    rows = [
        (
            _result(permission),
            permission.command,
            permission.missing_rules
            or (f"allowed, but: {permission.reason}" if permission.reason else ""),
        )
        for permission in commands
    ]
    return render.Table(("result", "command", "details"), rows, graded=True)


def _result(permission: Permission) -> str:
    if not permission.allowed:
        return "denied"
    return "warning" if permission.reason else "ok"
