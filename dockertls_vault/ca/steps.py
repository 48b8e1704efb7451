"""The steps of `ca init`: each has a summary, applies itself, and tells whether it is done."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from dockertls_vault.duration import format_duration
from dockertls_vault.errors import ConflictingState
from dockertls_vault.vault.roles import NOTABLE

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
    """One change to make in Vault; a frozen dataclass, so that equal steps compare equal."""

    # How often to apply it, if Vault accepts it but the state does not show it.
    attempts: ClassVar[int] = 1
    # What to do if Vault rejects it, and if the access that it removes or widens is not wanted.
    refused_hint: ClassVar[str] = ""
    unwanted_hint: ClassVar[str] = ""

    @property
    @abstractmethod
    def summary(self) -> str:
        """What it does, as text."""

    @property
    @abstractmethod
    def changes(self) -> tuple[Change, ...]:
        """The parameters that it sets."""

    @property
    def notable(self) -> tuple[Change, ...]:
        """The changes that are worth showing and are not in the summary."""
        return tuple(change for change in self.changes if change.before is not None)

    @property
    def subject(self) -> str:
        """What it changes."""
        return "the mount"

    @abstractmethod
    def apply(self, ca: CertificateAuthority, state: State) -> tuple[str, ...]:
        """Apply it in Vault, whose current state is ``state``; return Vault's warnings."""

    @abstractmethod
    def is_done(self, state: State) -> bool:
        """Tell whether ``state`` shows it done, by this run or by another."""

    def pending(self, _state: State) -> tuple[Change, ...]:
        """Return the changes that ``state`` does not show yet, if the step can list them."""
        return ()

    def unsupported(self, _state: State) -> tuple[UnsupportedParameter, ...]:
        """Return the parameters that Vault ignored when the step was applied."""
        return ()


@dataclass(frozen=True)
class EnableMount(Step):
    """Enable the PKI engine."""

    refused_hint = _ANOTHER_MOUNT

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
    """Raise the mount's max lease TTL: by default, a CA is valid for at most 32 days."""

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
    """Generate the root, with ``issuer`` as its name in Vault.

    ``keeps_others`` is true if the mount has other issuers, none of them with a key.
    """

    issuer: str
    common_name: str
    ttl: timedelta
    keeps_others: bool = False

    @property
    def summary(self) -> str:
        others = "; existing issuers without a key are kept" if self.keeps_others else ""
        return (
            f"generate the root {self.common_name!r}: EC P-256, key internal to Vault, valid for "
            f"{format_duration(self.ttl)}{others}"
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
    """Set the default issuer, and keep it when issuers are added.

    ``issuer`` and ``before``, the current default if there is one, are names, or ids if unnamed.
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
    """Create a role, or bring the one that was ``found`` to its desired state."""

    # A concurrent run may write the role between our write and our read.
    attempts = 3
    unwanted_hint = _ANOTHER_ROLE

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
    def notable(self) -> tuple[Change, ...]:
        return tuple(
            change
            for change in self.changes
            if change.before is not None or change.parameter in NOTABLE
        )

    @property
    def subject(self) -> str:
        return f"the role {self.name}"

    def apply(self, ca: CertificateAuthority, state: State) -> tuple[str, ...]:
        """Write the role over its current state, which may have changed since the plan was made.

        Raises ConflictingState if that removes or widens more access than the plan shows.
        """
        pending = self.pending(state)
        if any(change.needs_confirmation and change not in self.changes for change in pending):
            raise changed_meanwhile(self.subject)
        if state.roles.get(self.name) is None:
            return ca.write_role(self.name, self.desired.role(self.name, None))
        return ca.change_role(self.name, {change.parameter: change.after for change in pending})

    def is_done(self, state: State) -> bool:
        return state.roles.get(self.name) is not None and not self.pending(state)

    def pending(self, state: State) -> tuple[Change, ...]:
        return self.desired.changes(self.name, state.roles.get(self.name))

    def unsupported(self, state: State) -> tuple[UnsupportedParameter, ...]:
        found = state.roles.get(self.name)
        desired = self.desired.role(self.name, found)
        return tuple(
            UnsupportedParameter(self.name, name) for name in desired if name not in (found or {})
        )


@dataclass(frozen=True)
class UnsupportedParameter:
    """A role parameter that the server ignored: it is missing when the role is read back."""

    role: str
    parameter: str


def changed_meanwhile(what: str) -> ConflictingState:
    """Return the error for a plan that is out of date."""
    return ConflictingState(
        f"{what} has changed since the plan was made",
        hint="run it again and review the new plan",
    )


def _seconds(ttl: timedelta) -> int:
    """Return a TTL in seconds, as Vault returns it."""
    return int(ttl.total_seconds())
