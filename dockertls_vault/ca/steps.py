"""What `ca init` does in Vault, step by step: in words, the doing, and whether it is done."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from dockertls_vault.duration import format_duration
from dockertls_vault.errors import ConflictingState
from dockertls_vault.vault.roles import TELLING

from .changes import Change

if TYPE_CHECKING:
    from datetime import timedelta

    from dockertls_vault.vault.mount import CertificateAuthority, State
    from dockertls_vault.vault.roles import Role

    from .desired import DesiredState

_ANOTHER_MOUNT = "choose another mount with --mount"
_ANOTHER_ROLE = (
    "to keep that role as it is, choose another (DOCKERTLS_SERVER_ROLE, DOCKERTLS_CLIENT_ROLE)"
)


class Step(ABC):
    """One thing to do; a frozen dataclass, equal to another that does the same."""

    # How often it is tried where Vault took it and it is not done.
    tries: ClassVar[int] = 1
    # What to do where Vault refuses it, and where what it takes away or opens is not wanted.
    if_refused: ClassVar[str] = ""
    if_unwanted: ClassVar[str] = ""

    @property
    @abstractmethod
    def summary(self) -> str:
        """What it does, in words."""

    @property
    @abstractmethod
    def changes(self) -> tuple[Change, ...]:
        """The parameters that it sets."""

    @property
    def telling(self) -> tuple[Change, ...]:
        """Those of the changes that the summary does not tell, and people look for."""
        return tuple(change for change in self.changes if change.before is not None)

    @property
    def subject(self) -> str:
        """What it changes."""
        return "the mount"

    @abstractmethod
    def apply(self, ca: CertificateAuthority, state: State) -> tuple[str, ...]:
        """Do it in Vault, where ``state`` was found; return Vault's warnings."""

    @abstractmethod
    def is_done(self, state: State) -> bool:
        """Tell whether it is done, by this run or by another."""

    def left(self, _state: State) -> tuple[Change, ...]:
        """Return the changes that are yet to be made, of a step that knows them one by one."""
        return ()

    def unsupported(self, _state: State) -> tuple[UnsupportedParameter, ...]:
        """Return what Vault did not take of a step that is done."""
        return ()


@dataclass(frozen=True)
class EnableMount(Step):
    """Enable the PKI engine."""

    if_refused = _ANOTHER_MOUNT

    mount: str
    max_lease_ttl: timedelta

    @property
    def summary(self) -> str:
        return f"enable the PKI engine at {self.mount}"

    @property
    def changes(self) -> tuple[Change, ...]:
        return (Change("max_lease_ttl", None, _seconds(self.max_lease_ttl)),)

    def apply(self, ca: CertificateAuthority, _state: State) -> tuple[str, ...]:
        return ca.enable(self.max_lease_ttl)

    def is_done(self, state: State) -> bool:
        return state.mount_type == "pki" and state.max_lease_ttl >= self.max_lease_ttl


@dataclass(frozen=True)
class TuneMount(Step):
    """Raise the longest TTL that the mount allows: untuned, a CA gets 32 days."""

    mount: str
    before: timedelta
    max_lease_ttl: timedelta

    @property
    def summary(self) -> str:
        return f"raise the max lease TTL of {self.mount}"

    @property
    def changes(self) -> tuple[Change, ...]:
        return (Change("max_lease_ttl", _seconds(self.before), _seconds(self.max_lease_ttl)),)

    def apply(self, ca: CertificateAuthority, _state: State) -> tuple[str, ...]:
        return ca.tune(self.max_lease_ttl)

    def is_done(self, state: State) -> bool:
        return state.mount_type == "pki" and state.max_lease_ttl >= self.max_lease_ttl


@dataclass(frozen=True)
class GenerateRoot(Step):
    """Make the root; ``issuer`` is the name that Vault gives it, and it may be beside others."""

    issuer: str
    common_name: str
    ttl: timedelta
    beside: bool = False

    @property
    def summary(self) -> str:
        beside = "; existing issuers without a key are kept" if self.beside else ""
        return (
            f"generate the root {self.common_name!r}: EC P-256, key internal to Vault, valid for "
            f"{format_duration(self.ttl)}{beside}"
        )

    @property
    def changes(self) -> tuple[Change, ...]:
        return (
            Change("issuer_name", None, self.issuer),
            Change("common_name", None, self.common_name),
            Change("ttl", None, _seconds(self.ttl)),
        )

    def apply(self, ca: CertificateAuthority, _state: State) -> tuple[str, ...]:
        return ca.generate_root(self.common_name, self.issuer, self.ttl)

    def is_done(self, state: State) -> bool:
        return any(found.name == self.issuer and found.has_key for found in state.issuers)


@dataclass(frozen=True)
class SetDefault(Step):
    """Say which issuer signs, also when others come; each is called by its name, or by its id.

    ``before`` is the one that signs now, None if there is none.
    """

    issuer: str
    before: str | None
    follows_latest: bool

    @property
    def summary(self) -> str:
        if self.issuer == self.before:
            return "keep the default issuer when new ones are added"
        return f"make {self.issuer} the default issuer"

    @property
    def changes(self) -> tuple[Change, ...]:
        default = Change("default", self.before, self.issuer)
        follows = Change("default_follows_latest_issuer", before=True, after=False, restricts=True)
        return (
            *((default,) if self.issuer != self.before else ()),
            *((follows,) if self.follows_latest else ()),
        )

    def apply(self, ca: CertificateAuthority, _state: State) -> tuple[str, ...]:
        return ca.set_default(self.issuer)

    def is_done(self, state: State) -> bool:
        default = state.default_issuer
        return (
            default is not None
            and self.issuer in {default.id, default.name}
            and not state.follows_latest
        )


@dataclass(frozen=True)
class WriteRole(Step):
    """Make a role, or change what is not as desired in the one that was ``found``."""

    # Another run may write the same role between our writing and our reading.
    tries = 3
    if_unwanted = _ANOTHER_ROLE

    name: str
    found: Role | None
    desired: DesiredState

    @property
    def summary(self) -> str:
        return f"{'create' if self.found is None else 'update'} the role {self.name}"

    @property
    def changes(self) -> tuple[Change, ...]:
        return self.desired.changes(self.name, self.found)

    @property
    def telling(self) -> tuple[Change, ...]:
        return tuple(
            change
            for change in self.changes
            if change.before is not None or change.parameter in TELLING
        )

    @property
    def subject(self) -> str:
        return f"the role {self.name}"

    def apply(self, ca: CertificateAuthority, state: State) -> tuple[str, ...]:
        """Write over what is there now, which need not be what was there for the plan.

        Raises ConflictingState where that takes away or opens more than the plan says.
        """
        left = self.left(state)
        if any(change.needs_confirmation and change not in self.changes for change in left):
            raise changed_meanwhile(self.subject)
        if state.roles.get(self.name) is None:
            return ca.write_role(self.name, self.desired.role(self.name, None))
        return ca.change_role(self.name, {change.parameter: change.after for change in left})

    def is_done(self, state: State) -> bool:
        return state.roles.get(self.name) is not None and not self.left(state)

    def left(self, state: State) -> tuple[Change, ...]:
        return self.desired.changes(self.name, state.roles.get(self.name))

    def unsupported(self, state: State) -> tuple[UnsupportedParameter, ...]:
        found = state.roles.get(self.name)
        wanted = self.desired.role(self.name, found)
        return tuple(
            UnsupportedParameter(self.name, name) for name in wanted if name not in (found or {})
        )


@dataclass(frozen=True)
class UnsupportedParameter:
    """A role parameter that is missing when the role is read back."""

    role: str
    parameter: str


def changed_meanwhile(what: str) -> ConflictingState:
    """Return what to raise where the plan that was shown is out of date."""
    return ConflictingState(
        f"{what} has changed since the plan was made",
        hint="run it again and review the new plan",
    )


def _seconds(ttl: timedelta) -> int:
    """Return a TTL as Vault reads it back."""
    return int(ttl.total_seconds())
