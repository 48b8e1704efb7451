"""``dockertls-vault ca init|policy``."""

from __future__ import annotations

import shlex
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from dockertls_vault.ca.changes import announce
from dockertls_vault.ca.policy import Person
from dockertls_vault.certificate.names import parse_common_name
from dockertls_vault.duration import parse_ttl
from dockertls_vault.errors import ConflictingState, ConsentNeeded
from dockertls_vault.settings.schema import Settings

from . import render, speech
from .help import Command, command_group, described, examples, of_vault
from .options import VAULT, find_settings, parsed, with_preferences, with_settings
from .preferences import Preferences
from .session import needing, open_session

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dockertls_vault.ca.bootstrap import Outcome
    from dockertls_vault.ca.desired import DesiredState
    from dockertls_vault.ca.plan import Plan
    from dockertls_vault.ca.steps import Step

_UNCHANGED = "unchanged"
_BOUND = {
    "not_after_bound": ": only a policy that denies not_after enforces the role's TTL "
    "(`dockertls-vault ca policy`)"
}

app = command_group("Set up the CA in Vault, and print the policies for its users.")


@app.command(
    cls=Command,
    epilog=of_vault(
        "dockertls-vault ca init --domain example.internal --dry-run",
        "dockertls-vault ca init --allow-any-name --mount team/docker",
    ),
)
@with_preferences("output", "quiet", "verbose")
@with_settings("mount", "trust_mount", *VAULT)
def init(
    settings: Settings,
    preferences: Preferences,
    domain: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="A domain below which server names are allowed, in addition to those allowed "
            "already; repeatable.",
        ),
    ] = None,
    remove_domain: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="A domain below which server names are no longer allowed; repeatable.",
        ),
    ] = None,
    allow_bare_domains: Annotated[
        bool | None,
        typer.Option(help=described("Allow the domains themselves as names.", default=_UNCHANGED)),
    ] = None,
    allow_localhost: Annotated[
        bool | None,
        typer.Option(
            help=described("Allow localhost as a server name.", default=f"{_UNCHANGED}, or yes")
        ),
    ] = None,
    allow_any_name: Annotated[
        bool, typer.Option("--allow-any-name", help="Allow any server name, instead of --domain.")
    ] = False,
    common_name: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help=described("The common name of a new root.", default="dockertls root 1"),
        ),
    ] = None,
    root_ttl: Annotated[
        str | None,
        typer.Option(metavar="DURATION", help=described("The TTL of a new root.", default="3650d")),
    ] = None,
    yes: Annotated[
        bool,
        typer.Option("--yes", "-y", help="Apply the plan without asking for confirmation."),
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the plan and stop.")] = False,
) -> None:
    """Create or update the PKI mount, root CA and roles."""
    from dockertls_vault.ca.desired import DesiredState, parse_domains, parse_removals

    desired = DesiredState(
        domains=parse_domains(domain or []),
        remove_domains=parse_removals(remove_domain or []),
        allow_any_name=allow_any_name,
        allow_bare_domains=allow_bare_domains,
        allow_localhost=allow_localhost,
        common_name=None if common_name is None else parse_common_name(common_name),
        root_ttl=None if root_ttl is None else parsed("--root-ttl", parse_ttl, root_ttl),
        server_role=settings.server_role,
        client_role=settings.client_role,
    )
    outcome = _set_up(settings, preferences, desired, dry_run=dry_run, yes=yes)
    render.show(
        "ca-init",
        outcome,
        preferences,
        words=[_summary(outcome)],
        warnings=_warnings(outcome),
        ok=outcome.ready,
    )
    if not outcome.ready:
        raise typer.Exit(ConflictingState.exit_status)


@app.command(
    cls=Command,
    epilog=examples(
        "dockertls-vault ca policy server | bao policy write docker-host -",
        "dockertls-vault ca policy client --role ci",
    ),
)
@with_preferences()
@with_settings("mount", others=False)
def policy(
    settings: Settings,
    preferences: Preferences,
    person: Annotated[
        Person, typer.Argument(metavar="server|client|admin", help="Who the policy is for.")
    ],
    role: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help=described(
                "The role to issue with.",
                variables=["DOCKERTLS_SERVER_ROLE", "DOCKERTLS_CLIENT_ROLE"],
                default="server or client",
            ),
        ),
    ] = None,
) -> None:
    """Print a least-privilege policy (HCL)."""
    from dockertls_vault.ca.policy import rules, to_hcl

    roles = find_settings({"server_role": role, "client_role": role}, others=False)
    name = roles.client_role if person is Person.CLIENT else roles.server_role
    hcl = to_hcl(rules(person, settings.mount, name))
    render.words(hcl.removesuffix("\n").split("\n"), preferences)


def _set_up(
    settings: Settings, preferences: Preferences, desired: DesiredState, *, dry_run: bool, yes: bool
) -> Outcome:
    """Show the plan, and carry it out if that is wanted."""
    from dockertls_vault.ca import bootstrap
    from dockertls_vault.ca.plan import make_plan
    from dockertls_vault.vault.mount import CertificateAuthority
    from dockertls_vault.vault.pki import PKI

    with (
        needing(Person.ADMIN, settings.mount, settings.server_role),
        open_session(settings, preferences) as session,
    ):
        ca = CertificateAuthority(session, settings.mount)
        plan = make_plan(settings.mount, ca.state(tuple(desired.roles)), desired)
        render.words(_plan(plan.steps), preferences)
        if dry_run:
            outcome = bootstrap.preview(plan)
        else:
            outcome = bootstrap.apply(ca, plan, consent=yes or _is_consented_to(plan))
        trust = PKI(session, settings.trust_mount or settings.mount)
        return bootstrap.with_trust(outcome, plan, ca, trust, datetime.now(UTC))


def _plan(steps: Sequence[Step]) -> list[str]:
    lines = []
    for step in steps:
        lines.append(f"- {step.summary}")
        lines += [f"    {announce(change)}" for change in step.telling]
    return lines


def _is_consented_to(plan: Plan) -> bool:
    """Ask about what is taken away or opened, if anything is; raises ConsentNeeded for a no."""
    if not plan.needs_consent:
        return False
    answer = speech.confirmed([f"the plan {plan.consequence}:", *plan.needs_consent])
    if answer is False:
        raise ConsentNeeded("nothing was changed: that was not a yes")
    return bool(answer)


def _warnings(outcome: Outcome) -> list[str]:
    warnings = [
        *outcome.ineffective_options,
        *_ignored(outcome),
        *outcome.warnings,
        *_unused(outcome),
    ]
    if outcome.reason:
        warnings.append(f"no certificate can be issued yet: {outcome.reason}")
    return warnings


def _ignored(outcome: Outcome) -> list[str]:
    roles: dict[str, list[str]] = {}
    for ignored in outcome.unsupported_parameters:
        roles.setdefault(ignored.parameter, []).append(ignored.role)
    return [
        f"this server has no {parameter} for roles ({', '.join(names)})" + _BOUND.get(parameter, "")
        for parameter, names in roles.items()
    ]


def _unused(outcome: Outcome) -> list[str]:
    mount = shlex.quote(outcome.mount)
    return [
        f"the key {key} in {outcome.mount} has no issuer: its certificate was deleted, or is yet "
        f"to be signed; if nobody is to sign with it: bao delete {mount}/key/{shlex.quote(key)}"
        for key in outcome.unused_keys
    ]


def _summary(outcome: Outcome) -> str:
    if not outcome.applied:
        consent = any(change.needs_consent for step in outcome.steps for change in step.changes)
        return "nothing was changed (--dry-run)" + ("; it needs --yes to apply" if consent else "")
    state = "ready" if outcome.ready else "not ready"
    if outcome.ready and not outcome.steps:
        return f"no changes needed at {outcome.mount}"
    return f"the CA at {outcome.mount} is {state}"
