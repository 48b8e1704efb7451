"""What ``--help`` says beside the options themselves, and how it is laid out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer
from typer.core import TyperCommand

if TYPE_CHECKING:
    from collections.abc import Sequence

_VAULT = (
    "Reads Vault's address from VAULT_ADDR or BAO_ADDR, and a token from VAULT_TOKEN, BAO_TOKEN or "
    "~/.vault-token; --auth logs in instead."
)


class Command(TyperCommand):
    """A command that has ``DIR`` in its usage where typer would write ``{DIR}``."""

    def collect_usage_pieces(self, ctx: typer.Context) -> list[str]:  # type: ignore[override]  # typer's own type of it is private
        return [piece.strip("{}") for piece in super().collect_usage_pieces(ctx)]


def command_group(text: str) -> typer.Typer:
    """Return a group of commands with ``text`` as its help."""
    return typer.Typer(help=text, rich_markup_mode=None, no_args_is_help=True, add_completion=False)


def single_command() -> typer.Typer:
    """Return what holds a command that is in no group."""
    return typer.Typer(rich_markup_mode=None, add_completion=False)


def described(text: str, *, variables: Sequence[str] = (), default: str = "") -> str:
    """Return the help of an option: what it is, its variables and its default, as click has it."""
    told = [f"env var: {', '.join(variables)}"] if variables else []
    told += [f"default: {default}"] if default else []
    return f"{text}  [{'; '.join(told)}]" if told else text


def examples(*lines: str) -> str:
    """Return the end of a command's help; click leaves what follows its mark as it is."""
    return "\b\nExamples:\n" + "\n".join(f"  {line}" for line in lines)


def of_vault(*lines: str) -> str:
    """Return the end of the help of a command that talks to Vault: where that is, and examples."""
    return f"{_VAULT}\n\n{examples(*lines)}"
