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
from dockertls_vault.errors import ConflictingState, ConsentNeeded, RequestRefused, UnknownMount

from . import readiness
from .changes import describe_change
from .plan import mount_steps, role_step
from .steps import EnableMount, GenerateRoot, MountStep, SetDefault, Step, WriteRole, needs_consent

if TYPE_CHECKING:
    from datetime import datetime

    from dockertls_vault.certificate.certificate import Description
    from dockertls_vault.vault.mount import CertificateAuthority
    from dockertls_vault.vault.pki import PKI
    from dockertls_vault.vault.roles import Role

    from .plan import Plan, Wish

_ANOTHER_ROLE = (
    "; to leave that role alone, name another (DOCKERTLS_SERVER_ROLE, DOCKERTLS_CLIENT_ROLE)"
)
# Another run may write the same role between our writing and our reading.
_WRITES = 3


@dataclass(frozen=True)
class Ignored:
    """A parameter of a role that was not there when the role was read back."""

    role: str
    parameter: str


@dataclass(frozen=True)
class Outcome:
    """What was planned, whether it was done, and what Vault had to say about it.

    ``ignored`` are parameters that this server does not know. ``trusted`` are the current roots of
    ``trust_mount``, which ca.pem will hold; ``ready`` says that certificates of the default TTLs
    can be issued, and ``obstacle`` why not, with what to do.
    """

    mount: str
    steps: tuple[Step, ...]
    applied: bool
    without_effect: tuple[str, ...] = ()
    ignored: tuple[Ignored, ...] = ()
    warnings: tuple[str, ...] = ()
    trust_mount: str = ""
    trusted: tuple[Description, ...] = ()
    ready: bool = False
    obstacle: str | None = None


def apply(ca: CertificateAuthority, plan: Plan, *, consent: bool = False) -> Outcome:
    """Carry the plan out, read back what each step wrote, and report what the server made of it.

    What another run of it did at the same time counts as done. Raises ConsentNeeded, before
    anything is touched, where something is taken away or opened without ``consent``;
    ConflictingState when what is there is no more what the plan was made for, or not what was
    written.
    """
    if plan.needs_consent and not consent:
        of_a_role = any(isinstance(step, WriteRole) and needs_consent(step) for step in plan.steps)
        raise ConsentNeeded(
            f"nothing was changed: this {plan.consequence}",
            problems=plan.needs_consent,
            hint=ConsentNeeded.default_hint + (_ANOTHER_ROLE if of_a_role else ""),
        )
    _check_the_mount(ca, plan)
    ignored: list[Ignored] = []
    warnings: list[str] = []
    for step in plan.steps:
        if isinstance(step, WriteRole):
            said, written = _write_role(ca, step, plan.wish)
            warnings += said
            ignored += [Ignored(step.name, name) for name in step.role if name not in written]
        else:
            warnings += _carry_out(ca, step)
    return replace(
        preview(plan),
        applied=True,
        ignored=tuple(ignored),
        warnings=tuple(warnings),
    )


def preview(plan: Plan) -> Outcome:
    """Return the outcome of a plan that is not carried out."""
    return Outcome(plan.mount, plan.steps, applied=False, without_effect=plan.without_effect)


def with_trust(outcome: Outcome, ca: CertificateAuthority, trust: PKI, now: datetime) -> Outcome:
    """Return the outcome with the roots of the mount ``trust``, as ca.pem would have them.

    What a plan has yet to do counts as done.
    """
    try:
        issuers = trust.issuers()
    except UnknownMount:
        issuers = ()
    trusted = current_roots(load_all(issuers), now)
    to_do = () if outcome.applied else outcome.steps
    if any(isinstance(step, GenerateRoot) for step in to_do):
        obstacle = None if trusted or trust.mount == ca.mount else readiness.no_root(trust.mount)
    else:
        default = [step.issuer for step in to_do if isinstance(step, SetDefault)] or ["default"]
        obstacle = readiness.obstacle(ca.mount, ca.signer(*default), trust.mount, trusted, now)
    return replace(
        outcome,
        trust_mount=trust.mount,
        trusted=tuple(map(describe, trusted)),
        ready=obstacle is None,
        obstacle=obstacle,
    )


def _check_the_mount(ca: CertificateAuthority, plan: Plan) -> None:
    """Raise ConflictingState where a step is neither done by now nor planned as it was shown.

    Minutes may lie between the plan and the consent to it.
    """
    state = ca.state(())
    planned = [(step.words, step.changes) for step in mount_steps(plan.mount, state, plan.wish)]
    for step in plan.steps:
        if isinstance(step, WriteRole) or step.is_done(state):
            continue
        if (step.words, step.changes) not in planned:
            raise _changed_meanwhile(f"the mount {plan.mount}")


def _carry_out(ca: CertificateAuthority, step: MountStep) -> tuple[str, ...]:
    if step.is_done(ca.state(())):
        return ()
    try:
        warnings = step.carry_out(ca)
    except RequestRefused as error:
        # The mount, or an issuer of this name, may be there by now.
        if not step.is_done(ca.state(())):
            raise _refused(step, error) from error
        return ()
    if not step.is_done(ca.state(())):
        raise _not_done(step)
    return warnings


def _write_role(
    ca: CertificateAuthority, planned: WriteRole, wish: Wish
) -> tuple[tuple[str, ...], Role]:
    """Write the role over what is there now, which need not be what was there for the plan.

    Returns what Vault had to say, and the role as it was read back.
    """
    warnings: tuple[str, ...] = ()
    for left in reversed(range(_WRITES + 1)):
        found = ca.role(planned.name)
        step = role_step(planned.name, found, wish)
        if step is None:
            break
        if not left:
            raise _not_done(replace(planned, changes=step.changes))
        if any(change not in planned.changes for change in needs_consent(step)):
            raise _changed_meanwhile(f"the role {planned.name}")
        if found is None:
            warnings += ca.write_role(step.name, step.role)
        else:
            changed = {change.parameter: change.after for change in step.changes}
            warnings += ca.change_role(step.name, changed)
    return warnings, found or {}


def _changed_meanwhile(what: str) -> ConflictingState:
    return ConflictingState(
        f"somebody else has changed {what} in the meantime",
        hint="run it again, and look at the new plan",
    )


def _refused(step: MountStep, error: RequestRefused) -> ConflictingState:
    elsewhere = "name another mount with --mount" if isinstance(step, EnableMount) else ""
    return ConflictingState(f"cannot {step.words}: {error}", hint=elsewhere)


def _not_done(step: Step) -> ConflictingState:
    left = step.changes if isinstance(step, WriteRole) else ()
    return ConflictingState(
        f"Vault took this and did not do it: {step.words}"
        + "".join(f"; {describe_change(change)}" for change in left)
    )
