"""What `ca init` does in Vault, step by step: each in words, and how to tell that it is done."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import timedelta

    from dockertls_vault.vault.mount import CertificateAuthority, State
    from dockertls_vault.vault.roles import Role

    from .changes import Change


@dataclass(frozen=True)
class EnableMount:
    """Enable the PKI engine."""

    words: str
    max_lease: timedelta
    changes: tuple[Change, ...] = ()

    def carry_out(self, ca: CertificateAuthority) -> tuple[str, ...]:
        return ca.enable(self.max_lease)

    def is_done(self, state: State) -> bool:
        return state.mount_type == "pki" and state.max_lease >= self.max_lease


@dataclass(frozen=True)
class TuneMount:
    """Raise the longest TTL that the mount allows: untuned, a CA gets 32 days."""

    words: str
    max_lease: timedelta
    changes: tuple[Change, ...]

    def carry_out(self, ca: CertificateAuthority) -> tuple[str, ...]:
        return ca.tune(self.max_lease)

    def is_done(self, state: State) -> bool:
        return state.mount_type == "pki" and state.max_lease >= self.max_lease


@dataclass(frozen=True)
class GenerateRoot:
    """Make the root; ``issuer`` is the name that Vault gives it."""

    words: str
    issuer: str
    common_name: str
    ttl: timedelta
    changes: tuple[Change, ...] = ()

    def carry_out(self, ca: CertificateAuthority) -> tuple[str, ...]:
        return ca.generate_root(self.common_name, self.issuer, self.ttl)

    def is_done(self, state: State) -> bool:
        return any(found.name == self.issuer and found.has_key for found in state.issuers)


@dataclass(frozen=True)
class SetDefault:
    """Say which issuer signs; ``issuer`` is its id, or the name of the one to be made."""

    words: str
    issuer: str
    changes: tuple[Change, ...] = ()

    def carry_out(self, ca: CertificateAuthority) -> tuple[str, ...]:
        return ca.set_default(self.issuer)

    def is_done(self, state: State) -> bool:
        default = next((found for found in state.issuers if found.id == state.default), None)
        return (
            default is not None
            and self.issuer in {default.id, default.name}
            and not state.follows_latest
        )


@dataclass(frozen=True)
class WriteRole:
    """Make a role, or change in the one that is there the parameters that ``changes`` names."""

    words: str
    name: str
    role: Role
    changes: tuple[Change, ...]


MountStep = EnableMount | TuneMount | GenerateRoot | SetDefault
Step = MountStep | WriteRole


def needs_consent(step: Step) -> tuple[Change, ...]:
    """Return what a step takes away or opens without having been asked to.

    A domain goes only where it was named with --remove-domain, which says it all.
    """
    return tuple(
        change
        for change in step.changes
        if change.opens or (change.takes_away and change.parameter != "allowed_domains")
    )
