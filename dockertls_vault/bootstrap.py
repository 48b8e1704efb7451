"""Set up the CA in Vault: carry a plan out, and tell whether certificates can be issued then.

An existing CA is never replaced. What others may use is taken away, and what was refused is
opened, only with consent. A run that was cut short is completed by the next one, and a run that
finds everything as it should be has an empty plan.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING

from .changes import describe_change
from .duration import format_duration
from .errors import ConflictingState, ConsentNeeded, IssuerExpired, UnknownMount, VaultError
from .plan import mount_steps, role_step
from .roles import LONGEST_DEFAULT
from .steps import EnableMount, GenerateRoot, MountStep, SetDefault, Step, WriteRole, needs_consent
from .verification import current_roots
from .x509 import describe, is_signed_by, load_certificates

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from cryptography.x509 import Certificate

    from .plan import Plan, Wish
    from .roles import Role
    from .vault.ca import CertificateAuthority, Signer
    from .vault.pki import PKI
    from .x509 import Description

_REFUSED = 400
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
    trusted = current_roots(_load(issuers), now)
    to_do = () if outcome.applied else outcome.steps
    if any(isinstance(step, GenerateRoot) for step in to_do):
        obstacle = None if trusted or trust.mount == ca.mount else _no_root(trust.mount)
    else:
        default = [step.issuer for step in to_do if isinstance(step, SetDefault)] or ["default"]
        obstacle = _obstacle(ca.mount, ca.signer(*default), trust.mount, trusted, now)
    return replace(
        outcome,
        trust_mount=trust.mount,
        trusted=tuple(map(describe, trusted)),
        ready=obstacle is None,
        obstacle=obstacle,
    )


def _obstacle(
    mount: str,
    signer: Signer | None,
    trust_mount: str,
    trusted: Sequence[Certificate],
    now: datetime,
) -> str | None:
    """Say why the default issuer signs nothing that would be installed, and what to do."""
    chain = _load(signer.chain) if signer else ()
    if signer is None or not chain:
        return (
            f"{mount} has no default issuer; choose one: "
            f"bao write {mount}/config/issuers default=NAME"
        )
    issuer = f"the default issuer of {mount} ({chain[0].subject.rfc4514_string()})"
    left = chain[0].not_valid_after_utc - now
    another = IssuerExpired.default_hint.replace("MOUNT", mount)
    if left <= timedelta():
        return (
            f"{issuer} expired at {chain[0].not_valid_after_utc:%Y-%m-%d %H:%M:%S} UTC; {another}"
        )
    if signer.revoked:
        return f"{issuer} is revoked; {another}"
    if not signer.may_sign:
        usage = ",".join(filter(None, (signer.usage, "issuing-certificates")))
        return (
            f"{issuer} may not issue certificates (usage: {signer.usage}); let it: "
            f"bao patch {mount}/issuer/default usage={usage}, or {another}"
        )
    if left < LONGEST_DEFAULT and signer.beyond_its_end == "err":
        return (
            f"{issuer} ends in {format_duration(left)}, and the default TTL of servers is "
            f"{format_duration(LONGEST_DEFAULT)}; {another}"
        )
    if not trusted:
        return _no_root(trust_mount)
    if not _leads_to_a_root(chain, trusted, now):
        return _import(
            f"the default issuer of {mount} does not lead to a root that is there", trust_mount
        )
    return None


def _no_root(mount: str) -> str:
    return _import(f"the mount {mount} has no current root certificate", mount)


def _import(why: str, mount: str) -> str:
    return (
        f"{why}; import its root (bao write {mount}/issuers/import/cert pem_bundle=@root.pem), or "
        "name the mount that has it with --trust-mount"
    )


def _load(pems: Sequence[str]) -> tuple[Certificate, ...]:
    return tuple(found for pem in pems for found in load_certificates(pem))


def _leads_to_a_root(
    chain: Sequence[Certificate], trusted: Sequence[Certificate], now: datetime
) -> bool:
    """Tell whether a chain ends in a current root of its own mount, or below a trusted one."""
    return bool(current_roots(chain, now)) or any(
        is_signed_by(certificate, root) for certificate in chain for root in trusted
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
    except VaultError as error:
        if error.status != _REFUSED:
            raise
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


def _refused(step: MountStep, error: VaultError) -> ConflictingState:
    elsewhere = "name another mount with --mount" if isinstance(step, EnableMount) else ""
    return ConflictingState(f"cannot {step.words}: {error}", hint=elsewhere)


def _not_done(step: Step) -> ConflictingState:
    left = step.changes if isinstance(step, WriteRole) else ()
    return ConflictingState(
        f"Vault took this and did not do it: {step.words}"
        + "".join(f"; {describe_change(change)}" for change in left)
    )
