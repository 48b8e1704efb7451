"""Who Vault takes us to be, and which commands it would let us do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from . import policy
from .policy import Person
from .vault import namespace
from .vault.own_token import Token, capabilities, lookup

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .policy import Rule
    from .settings import Settings
    from .vault.session import Session

# What each person does with the tool.
COMMANDS = {Person.SERVER: "issue server", Person.CLIENT: "issue client", Person.ADMIN: "ca init"}
# "+" of a policy stands for one part of any path; these are such parts.
_ANY = "default"


@dataclass(frozen=True)
class Permission:
    """Whether a command may do all that it does; ``missing`` are lines for a policy."""

    command: str
    allowed: bool
    missing: tuple[str, ...]


@dataclass(frozen=True)
class WhoAmI:
    """The token, how it was come by, and what it may do; ``address`` is the node that said so.

    ``namespace`` is the one that was asked for; ``namespace_ignored``: the server has none.
    """

    address: str
    namespace: str | None
    namespace_ignored: bool
    found: str
    token: Token
    commands: tuple[Permission, ...]


def who_am_i(session: Session, settings: Settings) -> WhoAmI:
    """Ask Vault who we are; raises what the session raises."""
    rules = {
        person: policy.rules(person, settings.mount, _role(person, settings)) for person in Person
    }
    found = session.identity.found()
    looked_up = lookup(session)
    paths = {_path(rule): None for person in rules for rule in rules[person]}
    has = capabilities(session, tuple(paths))
    return WhoAmI(
        address=session.address,
        namespace=settings.namespace,
        namespace_ignored=namespace.is_ignored(session),
        found=found,
        token=looked_up,
        commands=tuple(_permission(COMMANDS[person], rules[person], has) for person in rules),
    )


def _role(person: Person, settings: Settings) -> str:
    return settings.server_role if person is Person.SERVER else settings.client_role


def _path(rule: Rule) -> str:
    return rule.path.replace("+", _ANY)


def _permission(
    command: str, rules: tuple[Rule, ...], has: Mapping[str, frozenset[str]]
) -> Permission:
    missing = tuple(
        _line(rule.path, lacking)
        for rule in rules
        if (lacking := _lacking(rule.capabilities, has.get(_path(rule), frozenset())))
    )
    return Permission(command, allowed=not missing, missing=missing)


def _lacking(wanted: tuple[str, ...], has: frozenset[str]) -> tuple[str, ...]:
    return () if "root" in has else tuple(name for name in wanted if name not in has)


def _line(path: str, capabilities: tuple[str, ...]) -> str:
    names = ", ".join(f'"{name}"' for name in capabilities)
    return f'path "{path}" {{ capabilities = [{names}] }}'
