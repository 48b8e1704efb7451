"""``dockertls-vault ca init|policy``."""

from __future__ import annotations

import shlex
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from dockertls_vault.ca.changes import describe_effect
from dockertls_vault.ca.policy import Person
from dockertls_vault.certificate.names import parse_common_name
from dockertls_vault.duration import parse_ttl
from dockertls_vault.errors import ConfirmationRequired, ConflictingState, IssuerTooNew
from dockertls_vault.settings.schema import Settings

from . import render, speech
from .help import Command, command_group, described, examples, vault_epilog
from .options import VAULT, find_settings, parsed, with_preferences, with_settings
from .preferences import Preferences
from .session import needing, open_session

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dockertls_vault.ca.bootstrap import Bootstrapped
    from dockertls_vault.ca.desired import DesiredState
    from dockertls_vault.ca.plan import Plan
    from dockertls_vault.ca.steps import Step

_UNCHANGED = "unchanged"
# What an unsupported role parameter means to the operator, beyond its name.
_CONSEQUENCES = {
    "not_after_bound": ": only a policy that denies not_after enforces the role's TTL "
    "(`dockertls-vault ca policy`)"
}

app = command_group("Set up the CA in Vault and print policies for its users.")


@app.command(
    cls=Command,
    epilog=vault_epilog(
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
            help="Allow server names below this domain, in addition to those already allowed; "
            "repeatable.",
        ),
    ] = None,
    remove_domain: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="Stop allowing server names below this domain; repeatable.",
        ),
    ] = None,
    allow_bare_domains: Annotated[
        bool | None,
        typer.Option(
            help=described("Allow the domains themselves as server names.", default=_UNCHANGED)
        ),
    ] = None,
    allow_localhost: Annotated[
        bool | None,
        typer.Option(
            help=described(
                "Allow localhost as a server name.", default=f"yes in a new role, else {_UNCHANGED}"
            )
        ),
    ] = None,
    allow_any_name: Annotated[
        bool,
        typer.Option("--allow-any-name", help="Allow any server name, instead of --domain."),
    ] = False,
    common_name: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help=described("The common name of a new root CA.", default="dockertls root 1"),
        ),
    ] = None,
    root_ttl: Annotated[
        str | None,
        typer.Option(
            metavar="DURATION", help=described("The TTL of a new root CA.", default="3650d")
        ),
    ] = None,
    yes: Annotated[
        bool,
        typer.Option("--yes", "-y", help="Apply the plan without asking for confirmation."),
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the plan without applying it.")
    ] = False,
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
    _show(outcome, preferences)
    if outcome.ready is False:
        kind = IssuerTooNew if outcome.retry_after else ConflictingState
        raise typer.Exit(kind.exit_status)


@app.command(
    cls=Command,
    epilog=examples(
        "dockertls-vault ca policy server | bao policy write docker-host -",
        "dockertls-vault ca policy client --role ci",
    ),
)
@with_preferences()
@with_settings("mount", others=())
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
                "The role that issues the certificates.",
                variables=["DOCKERTLS_SERVER_ROLE", "DOCKERTLS_CLIENT_ROLE"],
                default="server or client",
            ),
        ),
    ] = None,
) -> None:
    """Print a least-privilege Vault policy in HCL."""
    from dockertls_vault.ca.policy import rules, to_hcl

    roles = find_settings({"server_role": role, "client_role": role}, others=())
    name = roles.client_role if person is Person.CLIENT else roles.server_role
    hcl = to_hcl(rules(person, settings.mount, name))
    render.text(hcl.removesuffix("\n").split("\n"), preferences)


def _set_up(
    settings: Settings, preferences: Preferences, desired: DesiredState, *, dry_run: bool, yes: bool
) -> Bootstrapped:
    """Print the plan, and apply it unless this is a dry run."""
    from dockertls_vault.ca import bootstrap
    from dockertls_vault.vault.mount import CertificateAuthority
    from dockertls_vault.vault.pki import PKI

    with (
        needing(Person.ADMIN, settings.mount, settings.server_role),
        open_session(settings, preferences) as session,
    ):
        ca = CertificateAuthority(session, settings.mount)
        plan = bootstrap.plan(ca, desired)
        render.text(_plan(plan.steps), preferences)
        if dry_run:
            outcome = bootstrap.preview(plan)
        else:
            outcome, plan = bootstrap.apply(ca, plan, confirmed=yes or _confirm(plan))
        trust = PKI(session, settings.trust_mount or settings.mount)
        return bootstrap.with_trust(outcome, plan, ca, trust, datetime.now(UTC))


def _show(outcome: Bootstrapped, preferences: Preferences) -> None:
    render.show(
        "ca-init",
        outcome,
        preferences,
        parts=[_summary(outcome)],
        warnings=_warnings(outcome),
        ok=outcome.ready is not False,
    )


def _plan(steps: Sequence[Step]) -> list[str]:
    lines = []
    for step in steps:
        lines.append(f"- {step.summary}")
        lines += [f"    {describe_effect(change)}" for change in step.notable]
    return lines


def _confirm(plan: Plan) -> bool:
    """Ask before the plan removes or widens access; raises ConfirmationRequired for a no.

    False if there was nothing to ask, or no terminal to ask on.
    """
    if not plan.needs_confirmation:
        return False
    answer = speech.confirmed([f"the plan {plan.consequence}:", *plan.needs_confirmation])
    if answer is False:
        raise ConfirmationRequired("not confirmed: nothing was changed")
    return bool(answer)


def _warnings(outcome: Bootstrapped) -> list[str]:
    warnings = [
        *outcome.ineffective_options,
        *_unsupported_parameters(outcome),
        *outcome.warnings,
        *_unused_keys(outcome),
    ]
    if outcome.reason:
        warnings.append(f"no certificate can be issued yet: {outcome.reason}")
    return warnings


def _unsupported_parameters(outcome: Bootstrapped) -> list[str]:
    roles: dict[str, list[str]] = {}
    for unsupported in outcome.unsupported_parameters:
        roles.setdefault(unsupported.parameter, []).append(unsupported.role)
    return [
        f"this server does not support the role parameter {parameter} ({', '.join(names)})"
        + _CONSEQUENCES.get(parameter, "")
        for parameter, names in roles.items()
    ]


def _unused_keys(outcome: Bootstrapped) -> list[str]:
    mount = shlex.quote(outcome.mount)
    return [
        f"the key {key} in {outcome.mount} has no issuer: its certificate was deleted, or has yet "
        f"to be signed; if the key is not needed: bao delete {mount}/key/{shlex.quote(key)}"
        for key in outcome.unused_keys
    ]


def _summary(outcome: Bootstrapped) -> str:
    if outcome.ready and not outcome.steps:
        return f"no changes needed at {outcome.mount}"
    if not outcome.applied:
        unconfirmed = any(
            change.needs_confirmation for step in outcome.steps for change in step.changes
        )
        return "nothing was changed (--dry-run)" + (
            "; to apply it, use --yes" if unconfirmed else ""
        )
    state = "ready" if outcome.ready else "not ready"
    return f"the CA at {outcome.mount} is {state}"
