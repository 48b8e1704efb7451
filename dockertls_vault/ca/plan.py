"""What `ca init` has to do: from what is in Vault to what was wished, step by step; pure."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from datetime import timedelta
from shlex import quote
from typing import TYPE_CHECKING

from dockertls_vault.certificate.names import parse_dns_name
from dockertls_vault.duration import format_duration
from dockertls_vault.errors import ConflictingState, InvalidInput, InvalidSetting
from dockertls_vault.vault import roles

from .changes import Change, announce, differences
from .steps import (
    EnableMount,
    GenerateRoot,
    MountStep,
    SetDefault,
    Step,
    TuneMount,
    WriteRole,
    needs_consent,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from dockertls_vault.vault.mount import Issuer, State
    from dockertls_vault.vault.roles import Role

ROOT_TTL = timedelta(days=3650)


@dataclass(frozen=True)
class Wish:
    """What the CA shall be; None leaves what is there, or takes the default where nothing is.

    Raises InvalidInput for what contradicts itself, InvalidSetting if the two roles would be
    one.
    """

    domains: tuple[str, ...] = ()
    remove_domains: tuple[str, ...] = ()
    allow_any_name: bool = False
    allow_bare_domains: bool | None = None
    allow_localhost: bool | None = None
    common_name: str | None = None
    root_ttl: timedelta | None = None
    server_role: str = "server"
    client_role: str = "client"

    def __post_init__(self) -> None:
        if self.allow_any_name and self.domains:
            raise InvalidInput("--domain and --allow-any-name exclude each other")
        for domain in self.domains:
            if domain in self.remove_domains:
                raise InvalidInput(f"the domain {domain!r} is both to be added and to be removed")
        if self.server_role == self.client_role:
            raise InvalidSetting(
                f"the roles for servers and for clients have one name: {self.server_role!r}",
                hint="a certificate is for one of the two: set DOCKERTLS_SERVER_ROLE or "
                "DOCKERTLS_CLIENT_ROLE",
            )

    @property
    def roles(self) -> dict[str, Role]:
        """The roles by name where there are none yet, as Vault reads them back."""
        return {name: self.role(name, None) for name in (self.server_role, self.client_role)}

    def role(self, name: str, found: Role | None) -> Role:
        """Return what the role ``name`` shall be over the one that was ``found``."""
        if name == self.client_role:
            return roles.CLIENT
        return roles.server(
            found,
            domains=self.domains,
            remove_domains=self.remove_domains,
            allow_any_name=self.allow_any_name,
            allow_bare_domains=self.allow_bare_domains,
            allow_localhost=self.allow_localhost,
        )


@dataclass(frozen=True)
class Plan:
    """The steps from what is there to what was wished, none if nothing needs to change.

    ``without_effect`` says what of the wish changes nothing, and why.
    """

    mount: str
    wish: Wish
    steps: tuple[Step, ...]
    without_effect: tuple[str, ...] = ()

    @property
    def needs_consent(self) -> tuple[str, ...]:
        """What would be taken away or opened without having been asked for, in words."""
        return tuple(
            f"{_subject(step)}: {announce(change)}"
            for step in self.steps
            for change in needs_consent(step)
        )

    @property
    def consequence(self) -> str:
        """What that comes to, in words."""
        changes = [change for step in self.steps for change in needs_consent(step)]
        takes = ["takes away what others may use"] if any(c.takes_away for c in changes) else []
        opens = ["opens what was refused before"] if any(c.opens for c in changes) else []
        return " and ".join(takes + opens)


def parse_domains(texts: Sequence[str]) -> tuple[str, ...]:
    """Return domains as certificates have them, each once; raises InvalidInput."""
    domains = tuple(dict.fromkeys(map(parse_dns_name, texts)))
    for domain in domains:
        if "_" in domain:
            raise InvalidInput(
                f"an underscore in a domain: {domain!r}",
                hint="a role that enforces host names (RFC 1123), as this one will, signs no name "
                "below it",
            )
        if domain.startswith("*."):
            raise InvalidInput(
                f"a wildcard for a domain: {domain!r}", hint=f"did you mean {domain[2:]!r}?"
            )
    return domains


def parse_removals(texts: Sequence[str]) -> tuple[str, ...]:
    """Return domains to look for in a role, where others may have put what we would not."""
    return tuple(
        text.lower() if text.isascii() and text.strip() else parse_dns_name(text) for text in texts
    )


def make_plan(mount: str, state: State, wish: Wish) -> Plan:
    """Return the plan that leads from ``state`` to ``wish``; pure.

    Raises ConflictingState where something else is mounted, or where it is not clear which
    issuer signs; InvalidInput where servers would be left without any name.
    """
    for_the_mount = mount_steps(mount, state, wish)
    for_roles = (role_step(name, state.roles.get(name), wish) for name in wish.roles)
    steps = (*for_the_mount, *(step for step in for_roles if step is not None))
    return Plan(mount, wish, steps, tuple(_without_effect(state, wish, for_the_mount)))


def mount_steps(mount: str, state: State, wish: Wish) -> tuple[MountStep, ...]:
    """Return how to make the mount and its issuer, or to put them right."""
    if state.mounted_at not in (None, mount):
        raise ConflictingState(
            f"{mount!r} lies below the mount {state.mounted_at!r}",
            hint="name another mount with --mount",
        )
    if state.mount_type not in (None, "pki"):
        raise ConflictingState(
            f"a {state.mount_type} engine is mounted at {mount!r}",
            hint="name another mount with --mount",
        )
    issuer_steps = _issuer_steps(mount, state, wish)
    return (*_engine_steps(mount, state, wish, issuer_steps), *issuer_steps)


def _subject(step: Step) -> str:
    return f"the role {step.name}" if isinstance(step, WriteRole) else "the mount"


def _engine_steps(
    mount: str, state: State, wish: Wish, issuer_steps: Sequence[MountStep]
) -> tuple[MountStep, ...]:
    longest = timedelta(seconds=max(role["max_ttl"] for role in wish.roles.values()))
    roots = [step.ttl for step in issuer_steps if isinstance(step, GenerateRoot)]
    needed = max(longest, *roots) if roots else longest
    if state.mount_type is None:
        return (EnableMount(f"enable the PKI engine at {mount}", needed),)
    if state.max_lease >= needed:
        return ()
    before, after = (int(ttl.total_seconds()) for ttl in (state.max_lease, needed))
    change = Change("max_lease_ttl", before, after)
    return (TuneMount(f"raise the longest TTL at {mount}", needed, (change,)),)


def _issuer_steps(mount: str, state: State, wish: Wish) -> tuple[MountStep, ...]:
    follows = Change("default_follows_latest_issuer", before=True, after=False, takes_away=True)
    changes = (follows,) if state.follows_latest else ()
    signing = {issuer.id: issuer for issuer in state.issuers if issuer.has_key}
    if not signing:
        root = _new_root(state.issuers, wish)
        default = SetDefault(f"make {root.issuer} the default issuer", root.issuer, changes)
        return (root, default)
    if state.default is not None and state.default in signing:
        keep = SetDefault("keep the default issuer when others come", state.default, changes)
        return (keep,) if state.follows_latest else ()
    if len(signing) > 1:
        raise ConflictingState(
            f"the mount {mount!r} has {len(signing)} issuers with a key and none of them is the "
            "default",
            hint=f"choose one: bao write {quote(mount)}/config/issuers default=NAME",
        )
    (issuer,) = signing.values()
    return (SetDefault(f"make {issuer.name or issuer.id} the default issuer", issuer.id, changes),)


def _new_root(issuers: Sequence[Issuer], wish: Wish) -> GenerateRoot:
    """Return how to make a root, under a name that no issuer has, beside those without a key."""
    taken = {issuer.name for issuer in issuers}
    number = next(number for number in itertools.count(1) if f"root-{number}" not in taken)
    common_name = wish.common_name or f"dockertls root {number}"
    ttl = wish.root_ttl or ROOT_TTL
    longest = timedelta(seconds=max(role["max_ttl"] for role in wish.roles.values()))
    if ttl < longest:
        raise InvalidInput(
            f"a root of {format_duration(ttl)}: the roles sign for up to {format_duration(longest)}"
            ", and no certificate may outlive its root",
            hint=f"give a longer --root-ttl; without it, it is {format_duration(ROOT_TTL)}",
        )
    beside = "; what is there has no key to sign with, and stays" if issuers else ""
    return GenerateRoot(
        f"generate the root {common_name!r}: EC P-256, its key internal to Vault, for "
        f"{format_duration(ttl)}{beside}",
        f"root-{number}",
        common_name,
        ttl,
    )


def role_step(name: str, found: Role | None, wish: Wish) -> WriteRole | None:
    """Return how to make the role or to put it right, None if it is as it shall be."""
    role = wish.role(name, found)
    if not role["allow_any_name"] and not role["allowed_domains"]:
        raise InvalidInput(
            "no domain for the names of servers",
            hint="give --domain example.internal, or say --allow-any-name",
        )
    asked = roles.ASKED if name == wish.server_role else frozenset()
    changes = differences(found, role, asked)
    if not changes:
        return None
    verb = "write" if found is None else "put right"
    return WriteRole(f"{verb} the role {name}", name, role, changes)


def _without_effect(state: State, wish: Wish, steps: Sequence[MountStep]) -> Iterator[str]:
    if not any(isinstance(step, GenerateRoot) for step in steps):
        for option, value in (("common-name", wish.common_name), ("root-ttl", wish.root_ttl)):
            if value is not None:
                yield f"--{option} has no effect: there is a CA already, and it stays as it is"
    role = state.roles.get(wish.server_role) or {}
    has = {name.lower() for name in role.get("allowed_domains") or []}
    for domain in wish.remove_domains:
        if domain not in has:
            yield (
                f"--remove-domain {domain} has no effect: the role {wish.server_role} does not "
                "have it"
            )
