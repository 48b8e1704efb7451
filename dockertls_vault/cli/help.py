"""The text and layout of ``--help``, apart from the options themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer
from typer.core import TyperCommand

if TYPE_CHECKING:
    from collections.abc import Sequence

_VAULT = (
    "The address of Vault is read from VAULT_ADDR or BAO_ADDR, and the token from VAULT_TOKEN, "
    "BAO_TOKEN or ~/.vault-token; use --auth to log in instead."
)


class Command(TyperCommand):
    """A command that shows ``DIR`` in its usage line instead of typer's ``{DIR}``."""

    def collect_usage_pieces(self, ctx: typer.Context) -> list[str]:  # type: ignore[override]  # typer's own type of it is private
        return [piece.strip("{}") for piece in super().collect_usage_pieces(ctx)]


def command_group(text: str) -> typer.Typer:
    """Return a command group with ``text`` as its help."""
    return typer.Typer(help=text, rich_markup_mode=None, no_args_is_help=True, add_completion=False)


def single_command() -> typer.Typer:
    """Return an app for a command that belongs to no group."""
    return typer.Typer(rich_markup_mode=None, add_completion=False)


def described(text: str, *, variables: Sequence[str] = (), default: str = "") -> str:
    """Return an option's help, followed by its environment variables and default as click does."""
    sources = [f"env var: {', '.join(variables)}"] if variables else []
    sources += [f"default: {default}"] if default else []
    return f"{text}  [{'; '.join(sources)}]" if sources else text


def examples(*lines: str) -> str:
    r"""Return an examples section for a command's epilog; after ``\b`` click does not rewrap."""
    return "\b\nExamples:\n" + "\n".join(f"  {line}" for line in lines)


def vault_epilog(*lines: str) -> str:
    """Return the epilog of a command that talks to Vault: how it finds Vault, and examples."""
    return f"{_VAULT}\n\n{examples(*lines)}"
