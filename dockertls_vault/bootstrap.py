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
from .errors import ConflictingState, InvalidInput, InvalidSetting, VaultError
from .names import parse_dns_name
from .roles import Change, describe_change, differences

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .roles import Role
    from .vault.ca import CertificateAuthority, State

ROOT_ISSUER = "root-1"
_REFUSED = 400


@dataclass(frozen=True)
class Wish:
    """What the CA shall be; ``domains`` empty allows servers any name.

    Raises InvalidSetting if the two roles would be one.
    """

    domains: tuple[str, ...]
    allow_bare_domains: bool = False
    allow_localhost: bool = True
    common_name: str = "dockertls root 1"
    root_ttl: timedelta = timedelta(days=3650)
    server_role: str = "server"
    client_role: str = "client"

    def __post_init__(self) -> None:
        if self.server_role == self.client_role:
            raise InvalidSetting(
                f"the roles for servers and for clients have one name: {self.server_role!r}",
                hint="a certificate is for one of the two: set DOCKERTLS_SERVER_ROLE or "
                "DOCKERTLS_CLIENT_ROLE",
            )

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


def plan(mount: str, state: State, wish: Wish) -> tuple[Step, ...]:
    """Return the steps from ``state`` to ``wish``, none if nothing needs to change; pure.

    Raises ConflictingState where something else is mounted, or where it is not clear which
    issuer signs.
    """
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
    return (
        *_mount_steps(mount, state, wish),
        *_issuer_steps(mount, state, wish),
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
    """Carry the steps out, read back what each wrote, and report what the server made of it.

    What another run of it did at the same time counts as done. Raises ConflictingState when
    what is read back is not what was written.
    """
    ignored: list[str] = []
    warnings: list[str] = []
    for step in steps:
        try:
            warnings += _carry_out(ca, step)
        except VaultError as error:
            # The mount, or an issuer of this name, is there by now: a role is never refused so.
            if error.status != _REFUSED or not _is_done(step, _state(ca, step)):
                raise
        ignored += _read_back(ca, step)
    return Outcome(
        ca.mount,
        steps,
        applied=True,
        ignored=tuple(ignored),
        warnings=tuple(dict.fromkeys(warnings)),
    )


def _carry_out(ca: CertificateAuthority, step: Step) -> tuple[str, ...]:
    match step:
        case EnableMount():
            return ca.enable(step.max_lease)
        case TuneMount():
            return ca.tune(step.max_lease)
        case GenerateRoot():
            return ca.generate_root(step.common_name, ROOT_ISSUER, step.ttl)
        case SetDefault():
            return ca.set_default(step.issuer)
        case WriteRole():
            return ca.write_role(step.name, step.role)


def _state(ca: CertificateAuthority, step: Step) -> State:
    return ca.state((step.name,) if isinstance(step, WriteRole) else ())


def _is_done(step: Step, state: State) -> bool:
    match step:
        case EnableMount() | TuneMount():
            return state.mount_type == "pki" and state.max_lease >= step.max_lease
        case GenerateRoot():
            return any(issuer.name == ROOT_ISSUER and issuer.has_key for issuer in state.issuers)
        case SetDefault():
            default = next((found for found in state.issuers if found.id == state.default), None)
            return (
                default is not None
                and step.issuer in {default.id, default.name}
                and not state.follows_latest
            )
        case WriteRole():
            written = state.roles.get(step.name)
            return written is not None and not differences(written, step.role)


def _read_back(ca: CertificateAuthority, step: Step) -> list[str]:
    """Return the parameters that the server does not know; raise ConflictingState otherwise."""
    state = _state(ca, step)
    written = state.roles.get(step.name) if isinstance(step, WriteRole) else None
    if not _is_done(step, state):
        left = differences(written, step.role) if isinstance(step, WriteRole) and written else ()
        raise ConflictingState(
            f"Vault took this and did not do it: {step.words}"
            + "".join(f"; {describe_change(change)}" for change in left)
        )
    if not isinstance(step, WriteRole) or written is None:
        return []
    return [f"{step.name}: {name}" for name in step.role if name not in written]


def _mount_steps(mount: str, state: State, wish: Wish) -> tuple[Step, ...]:
    longest = timedelta(seconds=max(role["max_ttl"] for role in wish.roles.values()))
    needed = longest if state.issuers else max(longest, wish.root_ttl)
    if state.mount_type is None:
        return (EnableMount(f"enable the PKI engine at {mount}", needed),)
    if state.max_lease >= needed:
        return ()
    before, after = (int(life.total_seconds()) for life in (state.max_lease, needed))
    change = Change("max_lease_ttl", before, after)
    return (TuneMount(f"raise the longest life at {mount}", needed, (change,)),)


def _issuer_steps(mount: str, state: State, wish: Wish) -> tuple[Step, ...]:
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
    signing = {issuer.id: issuer for issuer in state.issuers if issuer.has_key}
    hint = f"choose one: bao write {mount}/config/issuers default=NAME"
    if state.default is not None:
        if state.default not in signing:
            raise ConflictingState(
                f"the default issuer of the mount {mount!r} has no key to sign with", hint=hint
            )
        if not state.follows_latest:
            return ()
        return (SetDefault("keep the default issuer when others come", state.default),)
    if len(signing) != 1:
        raise ConflictingState(
            f"the mount {mount!r} has {len(signing)} issuers with a key and none of them is the "
            "default",
            hint=hint,
        )
    (issuer,) = signing.values()
    return (SetDefault(f"make {issuer.name or issuer.id} the default issuer", issuer.id),)
