"""``dockertls-vault ca init|policy``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from dockertls_vault.duration import parse_ttl
from dockertls_vault.names import parse_common_name
from dockertls_vault.policy import Person
from dockertls_vault.roles import TELLING, describe_change

from . import options, render
from .options import (
    AuthOption,
    MountOption,
    NamespaceOption,
    Output,
    OutputOption,
    Preferences,
    QuietOption,
    TimeoutOption,
    VerboseOption,
    described,
    examples,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dockertls_vault.bootstrap import Outcome, Step

app = options.commands("Set up the CA in Vault, and see what it takes to use it.")


@app.command(
    epilog=examples(
        "dockertls-vault ca init --domain example.internal --dry-run",
        "dockertls-vault ca init --allow-any-name --mount team/docker",
    )
)
def init(
    ctx: typer.Context,
    domain: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="A domain below which servers get names; repeat it for more.",
        ),
    ] = None,
    allow_bare_domains: Annotated[
        bool, typer.Option("--allow-bare-domains", help="The domains themselves are names too.")
    ] = False,
    allow_localhost: Annotated[
        bool, typer.Option(help="Servers may have the name localhost.")
    ] = True,
    allow_any_name: Annotated[
        bool, typer.Option("--allow-any-name", help="Servers get any name, instead of --domain.")
    ] = False,
    common_name: Annotated[
        str, typer.Option(metavar="NAME", help="The common name of the root.")
    ] = "dockertls root 1",
    root_ttl: Annotated[
        str, typer.Option(metavar="DURATION", help="How long the root lives.")
    ] = "3650d",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Stop after the plan.")] = False,
    mount: MountOption = None,
    auth: AuthOption = None,
    namespace: NamespaceOption = None,
    timeout: TimeoutOption = None,
    output: OutputOption = Output.TABLE,  # noqa: ARG001 - its callback remembers it
    quiet: QuietOption = False,  # noqa: ARG001 - likewise
    verbose: VerboseOption = False,  # noqa: ARG001 - likewise
) -> None:
    """Make the PKI mount, its root and its roles, or put them right."""
    from dockertls_vault import bootstrap
    from dockertls_vault.vault.ca import CertificateAuthority

    preferences = ctx.ensure_object(Preferences)
    settings = options.settings(mount=mount, auth=auth, namespace=namespace, timeout=timeout)
    wish = bootstrap.Wish(
        domains=bootstrap.parse_domains(domain or [], allow_any_name=allow_any_name),
        allow_bare_domains=allow_bare_domains,
        allow_localhost=allow_localhost,
        common_name=parse_common_name(common_name),
        root_ttl=parse_ttl(root_ttl),
        server_role=settings.server_role,
        client_role=settings.client_role,
    )
    with options.session(settings, preferences) as session:
        ca = CertificateAuthority(session, settings.mount)
        steps = bootstrap.plan(settings.mount, ca.state(tuple(wish.roles)), wish)
        render.words(_plan(steps), preferences)
        if dry_run:
            outcome = bootstrap.Outcome(settings.mount, steps, applied=False)
        else:
            outcome = bootstrap.apply(ca, steps)
    render.show(
        "ca-init",
        outcome,
        preferences,
        words=[_summary(outcome)],
        warnings=[*map(_ignored, outcome.ignored), *outcome.warnings],
    )


@app.command(
    epilog=examples(
        "dockertls-vault ca policy server | bao policy write docker-host -",
        "dockertls-vault ca policy client --role ci",
    )
)
def policy(
    person: Annotated[
        Person, typer.Argument(metavar="server|client|admin", help="Whom the policy is for.")
    ],
    mount: MountOption = None,
    role: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help=described(
                "The role that is issued with.",
                variables=["DOCKERTLS_SERVER_ROLE", "DOCKERTLS_CLIENT_ROLE"],
                default="server or client",
            ),
        ),
    ] = None,
) -> None:
    """Print the policy (HCL) that a person's commands need, and no more."""
    from dockertls_vault.policy import rules, to_hcl

    settings = options.settings(mount=mount, server_role=role, client_role=role)
    name = settings.client_role if person is Person.CLIENT else settings.server_role
    typer.echo(to_hcl(rules(person, settings.mount, name)), nl=False)


def _plan(steps: Sequence[Step]) -> list[str]:
    """Return the plan; of a role that is new, only what tells it from others."""
    lines = []
    for step in steps:
        lines.append(f"- {step.words}")
        lines += [
            f"    {describe_change(change)}"
            for change in step.changes
            if change.before is not None or change.parameter in TELLING
        ]
    return lines


def _ignored(parameter: str) -> str:
    bound = (
        "; there, only a policy that denies not_after keeps a certificate within its role's life "
        "(`dockertls-vault ca policy`)"
        if parameter.endswith("not_after_bound")
        else ""
    )
    return f"this server ignored a parameter of the role {parameter}{bound}"


def _summary(outcome: Outcome) -> str:
    if not outcome.steps:
        return f"nothing needs to change at {outcome.mount}"
    if not outcome.applied:
        return "nothing was changed (--dry-run)"
    return f"the CA at {outcome.mount} is ready"
