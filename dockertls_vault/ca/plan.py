"""Plan the steps of `ca init`, from the state in Vault to the desired state; pure."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from datetime import timedelta
from shlex import quote
from typing import TYPE_CHECKING

from dockertls_vault.duration import format_duration
from dockertls_vault.errors import ConflictingState, InvalidInput

from .changes import describe_effect
from .steps import EnableMount, GenerateRoot, SetDefault, Step, TuneMount, WriteRole

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from dockertls_vault.vault.mount import Issuer, State

    from .desired import DesiredState

ROOT_TTL = timedelta(days=3650)


@dataclass(frozen=True)
class Plan:
    """The steps from ``state`` to the desired state; empty if nothing needs to change.

    ``ineffective_options`` names the options that change nothing, and why.
    """

    mount: str
    desired: DesiredState
    state: State
    steps: tuple[Step, ...]
    ineffective_options: tuple[str, ...] = ()

    @property
    def needs_confirmation(self) -> tuple[str, ...]:
        """The changes that remove or widen access without an option that requests it, as text."""
        return tuple(
            f"{step.subject}: {describe_effect(change)}"
            for step in self.steps
            for change in step.changes
            if change.needs_confirmation
        )

    @property
    def consequence(self) -> str:
        """What those changes do, as a predicate whose subject is the plan."""
        changes = [c for step in self.steps for c in step.changes if c.needs_confirmation]
        restricts = ["restricts what is allowed today"] if any(c.restricts for c in changes) else []
        widens = ["allows what is rejected today"] if any(c.widens for c in changes) else []
        return " and ".join(restricts + widens)

    @property
    def unwanted_hint(self) -> tuple[str, ...]:
        """What to do instead of confirming them."""
        hints = (
            step.unwanted_hint
            for step in self.steps
            if any(change.needs_confirmation for change in step.changes)
        )
        return tuple(dict.fromkeys(filter(None, hints)))


def make_plan(mount: str, state: State, desired: DesiredState) -> Plan:
    """Return the plan that leads from ``state`` to ``desired``.

    Raises ConflictingState if another engine is mounted there, or if it is not clear which issuer
    signs; InvalidInput if the server role would allow no name at all.
    """
    for_the_mount = mount_steps(mount, state, desired)
    for_roles = (_role_step(name, state, desired) for name in desired.roles)
    steps = (*for_the_mount, *(step for step in for_roles if step is not None))
    ineffective = _ineffective_options(state, desired, for_the_mount)
    return Plan(mount, desired, state, steps, tuple(ineffective))


def mount_steps(mount: str, state: State, desired: DesiredState) -> tuple[Step, ...]:
    """Return the steps that create or correct the mount and its default issuer."""
    if state.mounted_at not in (None, mount):
        raise ConflictingState(
            f"{mount!r} is inside the mount {state.mounted_at!r}",
            hint="choose another mount with --mount",
        )
    if state.mount_type not in (None, "pki"):
        raise ConflictingState(
            f"a {state.mount_type} engine is mounted at {mount!r}",
            hint="choose another mount with --mount",
        )
    root = None if state.signing else _new_root(state.issuers, desired)
    steps = (_engine_step(mount, state, desired, root), root, _default_step(mount, state, root))
    return tuple(step for step in steps if step is not None)


def _engine_step(
    mount: str, state: State, desired: DesiredState, root: GenerateRoot | None
) -> EnableMount | TuneMount | None:
    needed = max(desired.max_ttl, root.ttl) if root else desired.max_ttl
    if state.mount_type is None:
        return EnableMount(mount, needed)
    return TuneMount(mount, state.max_lease_ttl, needed) if state.max_lease_ttl < needed else None


def _default_step(mount: str, state: State, root: GenerateRoot | None) -> SetDefault | None:
    before = state.default_issuer
    if root is not None:
        after = root.issuer
    elif before in state.signing:
        after = before.label
    elif len(state.signing) == 1:
        after = state.signing[0].label
    else:
        raise ConflictingState(
            f"the mount {mount!r} has {len(state.signing)} issuers with a key, but no default",
            hint=f"choose one: bao write {quote(mount)}/config/issuers default=NAME",
        )
    step = SetDefault(after, before.label if before else None, state.follows_latest)
    return step if step.changes else None


def _new_root(issuers: Sequence[Issuer], desired: DesiredState) -> GenerateRoot:
    """Return the step that generates a root, under a name that no other issuer has."""
    taken = {issuer.name for issuer in issuers}
    number = next(number for number in itertools.count(1) if f"root-{number}" not in taken)
    common_name = desired.common_name or f"dockertls root {number}"
    ttl = desired.root_ttl or ROOT_TTL
    if ttl < desired.max_ttl:
        raise InvalidInput(
            f"--root-ttl {format_duration(ttl)} is shorter than the max TTL of the roles "
            f"({format_duration(desired.max_ttl)}): a certificate cannot outlive its root",
            hint=f"use a longer --root-ttl; the default is {format_duration(ROOT_TTL)}",
        )
    return GenerateRoot(f"root-{number}", common_name, ttl, keeps_others=bool(issuers))


def _role_step(name: str, state: State, desired: DesiredState) -> WriteRole | None:
    """Return the step that creates or updates the role; None if it is in its desired state."""
    step = WriteRole(name, state.roles.get(name), desired)
    return step if step.changes else None


def _ineffective_options(
    state: State, desired: DesiredState, steps: Sequence[Step]
) -> Iterator[str]:
    if not any(isinstance(step, GenerateRoot) for step in steps):
        for option, value in (("common-name", desired.common_name), ("root-ttl", desired.root_ttl)):
            if value is not None:
                yield f"--{option} has no effect: the existing CA is kept"
    role = state.roles.get(desired.server_role) or {}
    has = {name.lower() for name in role.get("allowed_domains") or []}
    for domain in desired.remove_domains:
        if domain not in has:
            yield (
                f"--remove-domain {domain} has no effect: the role {desired.server_role} does not "
                "allow that domain"
            )
