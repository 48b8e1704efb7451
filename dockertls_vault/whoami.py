"""Who Vault takes us to be, and which commands it would let us do."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from .ca import policy
from .ca.policy import Person
from .errors import UnknownMount, UnknownRole
from .vault import namespace
from .vault.pki import PKI
from .vault.token_info import Token, capabilities, lookup

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .ca.policy import Rule
    from .settings.schema import Settings
    from .vault.session import Session

# What each person does with the tool.
COMMANDS = {Person.SERVER: "issue server", Person.CLIENT: "issue client", Person.ADMIN: "ca init"}
# "+" of a policy stands for one part of any path; these are such parts.
_ANY = "default"


@dataclass(frozen=True)
class Permission:
    """Whether a command may do all that it does; ``missing_rules`` are lines for a policy.

    ``reason`` says why it fails although it is allowed, if the mount or the role is not there.
    """

    command: str
    allowed: bool
    missing_rules: tuple[str, ...]
    reason: str | None = None


@dataclass(frozen=True)
class WhoAmI:
    """The token, how it was come by, and what it may do; ``address`` is the node that said so.

    ``namespace`` is the one that was asked for; ``namespace_ignored``: the server has none.
    ``consumed_wrapping_token`` is where the wrapping token was that it took to find out.
    """

    address: str
    namespace: str | None
    namespace_ignored: bool
    token_source: str
    token: Token
    commands: tuple[Permission, ...]
    consumed_wrapping_token: str | None = None


def who_am_i(session: Session, settings: Settings) -> WhoAmI:
    """Ask Vault who we are; raises what the session raises."""
    rules = {
        person: policy.rules(person, settings.mount, _role(person, settings)) for person in Person
    }
    source = session.identity.found()
    looked_up = lookup(session)
    paths = {_path(rule): None for person in rules for rule in rules[person]}
    has = capabilities(session, tuple(paths))
    permissions = {person: _permission(COMMANDS[person], rules[person], has) for person in rules}
    return WhoAmI(
        address=session.address,
        namespace=settings.namespace,
        namespace_ignored=namespace.is_ignored(session),
        token_source=source,
        token=looked_up,
        commands=tuple(
            permission
            if person is Person.ADMIN or not permission.allowed
            else replace(
                permission,
                reason=_obstacle(session, settings, _role(person, settings), looked_up),
            )
            for person, permission in permissions.items()
        ),
        consumed_wrapping_token=next(
            (login.consumed_wrapping_token for login in session.identity.logins), None
        ),
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
    return Permission(command, allowed=not missing, missing_rules=missing)


def _obstacle(session: Session, settings: Settings, role: str, token: Token) -> str | None:
    """Return what is not there that is needed to issue: root may do everything, also there.

    A token whose uses are counted is not asked to look at the role.
    """
    signer = PKI(session, settings.mount)
    trust = PKI(session, settings.trust_mount or settings.mount)
    try:
        for mount in (signer, trust):
            mount.references()
        if token.remaining_uses is None:
            signer.role(role)
    except (UnknownMount, UnknownRole) as error:
        return error.message
    return None


def _lacking(wanted: tuple[str, ...], has: frozenset[str]) -> tuple[str, ...]:
    return () if "root" in has else tuple(name for name in wanted if name not in has)


def _line(path: str, capabilities: tuple[str, ...]) -> str:
    names = ", ".join(f'"{name}"' for name in capabilities)
    return f'path "{path}" {{ capabilities = [{names}] }}'
