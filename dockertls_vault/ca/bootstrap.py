"""Set up the CA in Vault: carry a plan out, and tell whether certificates can be issued then.

An existing CA is never replaced. What others may use is taken away, and what was refused is
opened, only with consent. A run that was cut short is completed by the next one, and a run that
finds everything as it should be has an empty plan.
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
from .plan import mount_steps
from .steps import (
    EnableMount,
    GenerateRoot,
    SetDefault,
    UnsupportedParameter,
    WriteRole,
    changed_meanwhile,
)

if TYPE_CHECKING:
    from datetime import datetime

    from dockertls_vault.certificate.certificate import Description
    from dockertls_vault.vault.mount import CertificateAuthority, State
    from dockertls_vault.vault.pki import PKI
    from dockertls_vault.vault.roles import Role

    from .plan import Plan
    from .steps import Step


@dataclass(frozen=True)
class Planned:
    """A step of the plan, in words and by the parameters that it sets."""

    summary: str
    changes: tuple[Change, ...]


@dataclass(frozen=True)
class Outcome:
    """What was planned, whether it was done, and what Vault had to say about it.

    ``trusted_roots`` are the current roots of ``trust_mount``, which ca.pem will hold; ``ready``
    tells whether certificates with the default TTLs can be issued, and ``reason`` why not, with
    the remedy. ``unused_keys`` are the keys in the mount without an issuer.
    """

    mount: str
    steps: tuple[Planned, ...]
    applied: bool
    ineffective_options: tuple[str, ...] = ()
    unsupported_parameters: tuple[UnsupportedParameter, ...] = ()
    warnings: tuple[str, ...] = ()
    trust_mount: str | None = None
    trusted_roots: tuple[Description, ...] = ()
    ready: bool = False
    reason: str | None = None
    unused_keys: tuple[str, ...] = ()


def apply(ca: CertificateAuthority, plan: Plan, *, confirmed: bool = False) -> Outcome:
    """Carry the plan out, read back what each step wrote, and report what the server made of it.

    What another run of it did at the same time counts as done. Raises ConfirmationRequired, before
    anything is touched, where something is taken away or opened unless ``confirmed``;
    ConflictingState when what is there is no more what the plan was made for, or not what was
    written.
    """
    if plan.needs_confirmation and not confirmed:
        raise ConfirmationRequired(
            f"nothing was changed: the plan {plan.consequence}",
            problems=plan.needs_confirmation,
            hint="; ".join((ConfirmationRequired.default_hint, *plan.if_unwanted)),
        )
    state = ca.state(tuple(plan.desired.roles))
    _check_the_mount(plan, state)
    warnings: list[str] = []
    unsupported: list[UnsupportedParameter] = []
    for step in plan.steps:
        said, state = _carry_out(ca, step, state)
        warnings += said
        unsupported += step.unsupported(state)
    return replace(
        preview(plan),
        applied=True,
        unsupported_parameters=tuple(unsupported),
        warnings=tuple(warnings),
    )


def preview(plan: Plan) -> Outcome:
    """Return the outcome of a plan that is not carried out."""
    steps = tuple(Planned(step.summary, step.changes) for step in plan.steps)
    return Outcome(plan.mount, steps, applied=False, ineffective_options=plan.ineffective_options)


def with_trust(
    outcome: Outcome, plan: Plan, ca: CertificateAuthority, trust: PKI, now: datetime
) -> Outcome:
    """Return the outcome with the roots of the mount ``trust``, as ca.pem would have them.

    What the plan has yet to do counts as done.
    """
    try:
        issuers = trust.issuers()
    except UnknownMount:
        issuers = ()
    trusted = current_roots(load_all(issuers), now)
    to_do = () if outcome.applied else plan.steps
    is_mounted = not any(isinstance(step, EnableMount) for step in to_do)
    if any(isinstance(step, GenerateRoot) for step in to_do):
        obstacle = None if trusted or trust.mount == ca.mount else readiness.no_root(trust.mount)
    else:
        default = [step.issuer for step in to_do if isinstance(step, SetDefault)] or ["default"]
        issuing = readiness.Issuing(
            ca.mount, ca.signer(*default), _server_role(ca, plan), ca.date or now, ca.patience
        )
        obstacle = readiness.obstacle(issuing, trust.mount, trusted)
    return replace(
        outcome,
        trust_mount=trust.mount,
        trusted_roots=tuple(map(describe, trusted)),
        ready=obstacle is None,
        reason=obstacle,
        unused_keys=ca.unused_keys() if is_mounted else (),
    )


def _server_role(ca: CertificateAuthority, plan: Plan) -> Role:
    """Return the role for servers as Vault reads it back when the plan has been carried out."""
    name = plan.desired.server_role
    found = ca.role(name)
    desired = plan.desired.role(name, found)
    return {key: value for key, value in desired.items() if found is None or key in found}


def _check_the_mount(plan: Plan, state: State) -> None:
    """Raise ConflictingState where a step is neither done by now nor planned as it was shown.

    Minutes may lie between the plan and the consent to it. A role says for itself what others
    have made of it.
    """
    planned = mount_steps(plan.mount, state, plan.desired)
    for step in plan.steps:
        if not (isinstance(step, WriteRole) or step in planned or step.is_done(state)):
            raise changed_meanwhile(f"the mount {plan.mount}")


def _carry_out(ca: CertificateAuthority, step: Step, state: State) -> tuple[tuple[str, ...], State]:
    """Do what is not done in ``state``; return Vault's warnings, and the state after that."""
    warnings: tuple[str, ...] = ()
    for _ in range(step.tries):
        if step.is_done(state):
            return warnings, state
        refused: RequestRejected | None = None
        try:
            warnings += step.apply(ca, state)
        except RequestRejected as error:
            # What it makes may be there by now.
            refused = error
        state = ca.state(tuple(state.roles))
        if refused and not step.is_done(state):
            raise ConflictingState(
                f"cannot {step.summary}: {refused}", hint=step.if_refused
            ) from refused
    if not step.is_done(state):
        raise _not_done(step, state)
    return warnings, state


def _not_done(step: Step, state: State) -> ConflictingState:
    left = "".join(f"; {describe_change(change)}" for change in step.left(state))
    return ConflictingState(f"Vault accepted this but did not apply it: {step.summary}{left}")
