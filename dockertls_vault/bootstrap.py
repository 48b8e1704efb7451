"""Set up the CA in Vault: inspect what is there, plan, and carry the plan out.

An existing CA is never replaced. A run that was cut short is completed by the next one, and a
run that finds everything as it should be has an empty plan.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from . import roles
from .duration import format_duration
from .errors import ConflictingState, InvalidInput
from .names import parse_dns_name
from .roles import Change, describe_change, differences

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .roles import Role
    from .vault.ca import CertificateAuthority, State

ROOT_ISSUER = "root-1"


@dataclass(frozen=True)
class Wish:
    """What the CA shall be; ``domains`` empty allows servers any name."""

    domains: tuple[str, ...]
    allow_bare_domains: bool = False
    allow_localhost: bool = True
    common_name: str = "dockertls root 1"
    root_ttl: timedelta = timedelta(days=3650)
    server_role: str = "server"
    client_role: str = "client"

    @property
    def roles(self) -> dict[str, Role]:
        """The roles by name, with the parameters as Vault reads them back (TTLs in seconds)."""
        server = roles.server(
            self.domains,
            allow_bare_domains=self.allow_bare_domains,
            allow_localhost=self.allow_localhost,
        )
        return {self.server_role: server, self.client_role: roles.CLIENT}


@dataclass(frozen=True)
class EnableMount:
    """Enable the PKI engine."""

    words: str
    max_lease: timedelta
    changes: tuple[Change, ...] = ()


@dataclass(frozen=True)
class TuneMount:
    """Raise the longest life that the mount allows: untuned, a CA gets 32 days."""

    words: str
    max_lease: timedelta
    changes: tuple[Change, ...]


@dataclass(frozen=True)
class GenerateRoot:
    """Make the root."""

    words: str
    common_name: str
    ttl: timedelta
    changes: tuple[Change, ...] = ()


@dataclass(frozen=True)
class SetDefault:
    """Say which issuer signs; ``issuer`` is its id, or the name of the one to be made."""

    words: str
    issuer: str
    changes: tuple[Change, ...] = ()


@dataclass(frozen=True)
class WriteRole:
    """Make a role, or put it right."""

    words: str
    name: str
    role: Role
    changes: tuple[Change, ...]


Step = EnableMount | TuneMount | GenerateRoot | SetDefault | WriteRole


@dataclass(frozen=True)
class Outcome:
    """What was planned, whether it was done, and what Vault had to say about it.

    ``ignored`` are parameters that this server does not know; it said so, or left them out
    when they were read back.
    """

    mount: str
    steps: tuple[Step, ...]
    applied: bool
    ignored: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def parse_domains(texts: Sequence[str], *, allow_any_name: bool) -> tuple[str, ...]:
    """Return the domains for a Wish; raises InvalidInput unless one of the two is given."""
    if allow_any_name and texts:
        raise InvalidInput("--domain and --allow-any-name exclude each other")
    if not allow_any_name and not texts:
        raise InvalidInput(
            "no domain for the names of servers",
            hint="give --domain example.internal, or say --allow-any-name",
        )
    domains = tuple(dict.fromkeys(map(parse_dns_name, texts)))
    for domain in domains:
        if domain.startswith("*."):
            raise InvalidInput(
                f"a wildcard for a domain: {domain!r}", hint=f"did you mean {domain[2:]!r}?"
            )
    return domains


def plan(mount: str, state: State, wish: Wish) -> tuple[Step, ...]:
    """Return the steps from ``state`` to ``wish``, none if nothing needs to change; pure.

    Raises ConflictingState where something else is mounted, or where it is not clear which
    issuer signs.
    """
    if state.mount_type not in (None, "pki"):
        raise ConflictingState(
            f"a {state.mount_type} engine is mounted at {mount!r}",
            hint="name another mount with --mount",
        )
    return (
        *_mount_steps(mount, state, wish),
        *_issuer_steps(state, wish),
        *(
            WriteRole(
                f"{'write' if state.roles.get(name) is None else 'put right'} the role {name}",
                name,
                role,
                differences(state.roles.get(name), role),
            )
            for name, role in wish.roles.items()
            if differences(state.roles.get(name), role)
        ),
    )


def apply(ca: CertificateAuthority, steps: tuple[Step, ...]) -> Outcome:
    """Carry the steps out, read each role back, and report what the server made of it.

    Raises ConflictingState when what is read back is not what was written.
    """
    ignored: list[str] = []
    warnings: list[str] = []
    for step in steps:
        match step:
            case EnableMount():
                warnings += ca.enable(step.max_lease)
            case TuneMount():
                warnings += ca.tune(step.max_lease)
            case GenerateRoot():
                warnings += ca.generate_root(step.common_name, ROOT_ISSUER, step.ttl)
            case SetDefault():
                warnings += ca.set_default(step.issuer)
            case WriteRole():
                warnings += ca.write_role(step.name, step.role)
                ignored += _read_back(ca, step)
    _check_default(ca)
    return Outcome(
        ca.mount,
        steps,
        applied=True,
        ignored=tuple(ignored),
        warnings=tuple(dict.fromkeys(warnings)),
    )


def _mount_steps(mount: str, state: State, wish: Wish) -> tuple[Step, ...]:
    if state.mount_type is None:
        return (EnableMount(f"enable the PKI engine at {mount}", wish.root_ttl),)
    if state.issuers or (state.max_lease is not None and state.max_lease >= wish.root_ttl):
        return ()
    change = Change(
        "max_lease_ttl",
        int((state.max_lease or timedelta(0)).total_seconds()),
        int(wish.root_ttl.total_seconds()),
    )
    return (TuneMount(f"raise the longest life at {mount}", wish.root_ttl, (change,)),)


def _issuer_steps(state: State, wish: Wish) -> tuple[Step, ...]:
    signing = [issuer for issuer in state.issuers if issuer.has_key]
    if not state.issuers:
        return (
            GenerateRoot(
                f"generate the root {wish.common_name!r}: EC P-256, its key internal to Vault, "
                f"for {format_duration(wish.root_ttl)}",
                wish.common_name,
                wish.root_ttl,
            ),
            SetDefault(f"make {ROOT_ISSUER} the default issuer", ROOT_ISSUER),
        )
    if state.default is not None and not state.follows_latest:
        return ()
    if state.default is not None:
        return (SetDefault("keep the default issuer when others come", state.default),)
    if len(signing) == 1:
        name = signing[0].name or signing[0].id
        return (SetDefault(f"make {name} the default issuer", signing[0].id),)
    raise ConflictingState(
        f"the mount has {len(signing)} issuers with a key and none of them is the default",
        hint="set one: bao write MOUNT/config/issuers default=NAME",
    )


def _read_back(ca: CertificateAuthority, step: WriteRole) -> list[str]:
    written = ca.role(step.name)
    left = differences(written, step.role)
    if written is None or left:
        raise ConflictingState(
            f"the role {step.name} was written and is not as written: "
            + ("it is not there" if written is None else "; ".join(map(describe_change, left)))
        )
    return [f"{step.name}: {name}" for name in step.role if name not in written]


def _check_default(ca: CertificateAuthority) -> None:
    state = ca.state(())
    if state.default is None:
        raise ConflictingState(f"the mount {ca.mount!r} has no default issuer after all")
