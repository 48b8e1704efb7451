"""The identity of the current token, and the commands that its policies allow."""

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

# The command that each policy is for.
COMMANDS = {Person.SERVER: "issue server", Person.CLIENT: "issue client", Person.ADMIN: "ca init"}
# A path segment to test capabilities with where a policy has the wildcard "+".
_ANY = "default"


@dataclass(frozen=True)
class Permission:
    """Whether the policies allow a command; ``missing_rules`` are the policy lines it still needs.

    ``reason`` is why an allowed command would fail anyway: the mount or role does not exist.
    """

    command: str
    allowed: bool
    missing_rules: tuple[str, ...]
    reason: str | None = None


@dataclass(frozen=True)
class WhoAmI:
    """The token, where it came from and what it allows; ``address`` is the node that answered.

    ``namespace`` is the requested one, ``namespace_ignored`` whether the server does not support
    namespaces. ``consumed_wrapping_token`` is where the wrapping token came from, if logging in
    consumed one.
    """

    address: str
    namespace: str | None
    namespace_ignored: bool
    token_source: str
    token: Token
    commands: tuple[Permission, ...]
    consumed_wrapping_token: str | None = None


def who_am_i(session: Session, settings: Settings) -> WhoAmI:
    """Look up the current token and its capabilities; raises what the session raises."""
    rules = {
        person: policy.rules(person, settings.mount, _role(person, settings)) for person in Person
    }
    source = session.identity.found()
    looked_up = lookup(session)
    paths = {_path(rule): None for person in rules for rule in rules[person]}
    has = capabilities(session, tuple(paths))
    permissions = {person: _permission(COMMANDS[person], rules[person], has) for person in rules}
    issuing = [it for it in (Person.SERVER, Person.CLIENT) if permissions[it].allowed]
    missing_mount = _missing_mount(session, settings) if issuing else None
    return WhoAmI(
        address=session.address,
        namespace=settings.namespace,
        namespace_ignored=namespace.is_ignored(session),
        token_source=source,
        token=looked_up,
        commands=tuple(
            replace(
                permission,
                reason=missing_mount
                or _missing_role(session, settings.mount, _role(person, settings), looked_up),
            )
            if person in issuing
            else permission
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


def _missing_mount(session: Session, settings: Settings) -> str | None:
    """Return which mount is missing, if any: root is allowed to use even that."""
    try:
        for mount in dict.fromkeys((settings.mount, settings.trust_mount or settings.mount)):
            PKI(session, mount).references()
    except UnknownMount as error:
        return error.message
    return None


def _missing_role(session: Session, mount: str, role: str, token: Token) -> str | None:
    """Return that the role is missing, if it is.

    It is not read with a token that has a limited number of uses.
    """
    try:
        if token.remaining_uses is None:
            PKI(session, mount).role(role)
    except (UnknownMount, UnknownRole) as error:
        return error.message
    return None


def _lacking(wanted: tuple[str, ...], has: frozenset[str]) -> tuple[str, ...]:
    return () if "root" in has else tuple(name for name in wanted if name not in has)


def _line(path: str, capabilities: tuple[str, ...]) -> str:
    names = ", ".join(f'"{name}"' for name in capabilities)
    return f'path "{path}" {{ capabilities = [{names}] }}'
