"""Set up the CA in Vault: apply a plan, and report whether certificates can then be issued.

An existing CA is never replaced. Access is removed or widened only after confirmation. The next run
completes one that was interrupted; if nothing needs to change, the plan is empty.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from dockertls_vault.certificate.certificate import describe, load_all
from dockertls_vault.certificate.verify import current_roots
from dockertls_vault.errors import (
    ConfirmationRequired,
    ConflictingState,
    RequestRejected,
    UnknownMount,
)

from . import readiness
from .changes import Change, describe_change
from .plan import make_plan, mount_steps
from .steps import (
    EnableMount,
    GenerateRoot,
    SetDefault,
    UnsupportedParameter,
    WriteRole,
    changed_meanwhile,
)

if TYPE_CHECKING:
    from datetime import datetime, timedelta

    from dockertls_vault.certificate.certificate import Description
    from dockertls_vault.vault.mount import CertificateAuthority, State
    from dockertls_vault.vault.pki import PKI
    from dockertls_vault.vault.roles import Role

    from .desired import DesiredState
    from .plan import Plan
    from .steps import Step


@dataclass(frozen=True)
class Planned:
    """A step of the plan: a summary, and the parameters that it sets."""

    summary: str
    changes: tuple[Change, ...]


@dataclass(frozen=True)
class Bootstrapped:
    """The steps that were planned, whether they were applied, and Vault's warnings.

    ``trusted_roots`` are the current roots of ``trust_mount``, which will be in ca.pem. ``ready``
    is true if certificates with the default TTLs can be issued, and None if nothing prevents it
    once the steps are applied; if false, ``reason`` has the cause and the remedy, and
    ``retry_after`` how long to wait if the issuer is only too new.
    ``unused_keys`` are the keys in the mount that no issuer uses.
    """

    mount: str
    steps: tuple[Planned, ...]
    applied: bool
    ineffective_options: tuple[str, ...] = ()
    unsupported_parameters: tuple[UnsupportedParameter, ...] = ()
    warnings: tuple[str, ...] = ()
    trust_mount: str | None = None
    trusted_roots: tuple[Description, ...] = ()
    ready: bool | None = None
    reason: str | None = None
    retry_after: timedelta | None = None
    unused_keys: tuple[str, ...] = ()


def plan(ca: CertificateAuthority, desired: DesiredState) -> Plan:
    """Read the current state and plan the desired one; raises what ``make_plan`` raises."""
    return make_plan(ca.mount, ca.state(tuple(desired.roles)), desired)


def apply(
    ca: CertificateAuthority, plan: Plan, *, confirmed: bool = False
) -> tuple[Bootstrapped, Plan]:
    """Apply the plan, reading back what each step wrote.

    Returns also the plan that remains: without steps, from the state that was read back last.
    A step that a concurrent run has already done counts as done. Raises ConfirmationRequired before
    the first change if the plan removes or widens access and is not ``confirmed``; ConflictingState
    if the state has changed since the plan was made, or if Vault did not store what was written.
    """
    if plan.needs_confirmation and not confirmed:
        raise ConfirmationRequired(
            f"nothing was changed: the plan {plan.consequence}",
            problems=plan.needs_confirmation,
            hint="; ".join(("use --yes to confirm", *plan.unwanted_hint)),
        )
    state = ca.state(tuple(plan.desired.roles)) if plan.steps else plan.state
    _check_the_mount(plan, state)
    warnings: list[str] = []
    unsupported: list[UnsupportedParameter] = []
    for step in plan.steps:
        warned, state = _apply_step(ca, step, state)
        warnings += warned
        unsupported += step.unsupported(state)
    applied = replace(
        preview(plan),
        applied=True,
        unsupported_parameters=tuple(unsupported),
        warnings=tuple(warnings),
    )
    return applied, replace(plan, state=state, steps=())


def preview(plan: Plan) -> Bootstrapped:
    """Return the outcome of a plan that is not applied."""
    steps = tuple(Planned(step.summary, step.changes) for step in plan.steps)
    return Bootstrapped(
        plan.mount, steps, applied=False, ineffective_options=plan.ineffective_options
    )


def with_trust(
    outcome: Bootstrapped, plan: Plan, ca: CertificateAuthority, trust: PKI, now: datetime
) -> Bootstrapped:
    """Return the outcome with the roots of the mount ``trust``, as they would be in ca.pem.

    The steps that remain in ``plan`` count as done.
    """
    try:
        issuers = trust.issuers()
    except UnknownMount:
        issuers = ()
    trusted = current_roots(load_all(issuers), now)
    is_mounted = not any(isinstance(step, EnableMount) for step in plan.steps)
    if any(isinstance(step, GenerateRoot) for step in plan.steps):
        obstacle = None if trusted or trust.mount == ca.mount else readiness.no_root(trust.mount)
    else:
        default = [step.issuer for step in plan.steps if isinstance(step, SetDefault)] or [
            "default"
        ]
        issuing = readiness.Issuing(
            mount=ca.mount,
            signer=ca.signer(*default),
            role=_server_role(plan),
            now=ca.date or now,
            timeout=ca.timeout,
            limits_backdating=ca.limits_backdating(),
        )
        obstacle = readiness.obstacle(issuing, trust.mount, trusted)
    return replace(
        outcome,
        trust_mount=trust.mount,
        trusted_roots=tuple(map(describe, trusted)),
        ready=False if obstacle else None if plan.steps else True,
        reason=obstacle.reason if obstacle else None,
        retry_after=obstacle.retry_after if obstacle else None,
        unused_keys=ca.unused_keys(plan.state.issuers) if is_mounted else (),
    )


def _server_role(plan: Plan) -> Role:
    """Return the server role as Vault will return it once the plan is applied."""
    name = plan.desired.server_role
    found = plan.state.roles.get(name)
    desired = plan.desired.role(name, found)
    return {key: value for key, value in desired.items() if found is None or key in found}


def _check_the_mount(plan: Plan, state: State) -> None:
    """Raise ConflictingState unless each step is already done or would be planned again.

    Minutes may pass between showing the plan and its confirmation. Steps that write a role check
    this themselves.
    """
    planned = mount_steps(plan.mount, state, plan.desired)
    for step in plan.steps:
        if not (isinstance(step, WriteRole) or step in planned or step.is_done(state)):
            raise changed_meanwhile(f"the mount {plan.mount}")


def _apply_step(
    ca: CertificateAuthority, step: Step, state: State
) -> tuple[tuple[str, ...], State]:
    """Apply the step unless ``state`` shows it done; return Vault's warnings and the new state."""
    warnings: tuple[str, ...] = ()
    for _ in range(step.attempts):
        if step.is_done(state):
            return warnings, state
        refused: RequestRejected | None = None
        try:
            warnings += step.apply(ca, state)
        except RequestRejected as error:
            # A concurrent run may have created the same thing.
            refused = error
        state = ca.state(tuple(state.roles))
        if refused and not step.is_done(state):
            raise ConflictingState(
                f"cannot {step.summary}: {refused}", hint=step.refused_hint
            ) from refused
    if not step.is_done(state):
        raise _not_done(step, state)
    return warnings, state


def _not_done(step: Step, state: State) -> ConflictingState:
    pending = "".join(f"; {describe_change(change)}" for change in step.pending(state))
    return ConflictingState(f"Vault accepted this but did not apply it: {step.summary}{pending}")
