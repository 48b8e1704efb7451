"""``dockertls-vault dev``."""

from __future__ import annotations

import logging
import os
import re
import shlex
from typing import TYPE_CHECKING, Annotated

import typer

from dockertls_vault import stop
from dockertls_vault.errors import VaultUnreachable
from dockertls_vault.host import process

from . import render, signals
from .help import Command, examples, single_command
from .options import with_preferences
from .preferences import Preferences
from .session import open_session

if TYPE_CHECKING:
    from dockertls_vault.dev import DevServer

logger = logging.getLogger(__name__)
app = single_command()


@app.command(
    cls=Command,
    context_settings={"allow_interspersed_args": False},
    epilog=examples(
        "dockertls-vault dev --domain example.internal",
        "dockertls-vault dev -- sh -c 'dockertls-vault issue server --dir ./server'",
    ),
)
@with_preferences("quiet")
def dev(
    preferences: Preferences,
    command: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[-- COMMAND…]", help="Run COMMAND against it, and exit with its status."
        ),
    ] = None,
    domain: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME", help="Same as for `ca init`. Without it, any server name is allowed."
        ),
    ] = None,
) -> None:
    """Run an embedded OpenBao in memory, with a CA in it.

    It stops on a signal (Ctrl-C), or when COMMAND exits.
    """
    from dockertls_vault import dev as embedded
    from dockertls_vault.ca.desired import parse_domains

    domains = parse_domains(domain or [])
    with embedded.running() as server:
        _init(server, domains, preferences)
        if command:
            child = process.Child(command, server.environment(os.environ))
            with signals.forwarded(child.forward):
                raise typer.Exit(child.run())
        render.text(_exports(server), preferences)
        logger.info("OpenBao runs until you stop this command (Ctrl-C)")
        try:
            with stop.cutting(server.process.terminate):
                status = server.process.wait()
        except stop.Stopped:
            return
    raise VaultUnreachable(
        f"the embedded OpenBao exited unexpectedly, with status {status}",
        hint="run `dev` again: its CA and tokens were only in memory",
    )


def _init(server: DevServer, domains: tuple[str, ...], preferences: Preferences) -> None:
    """Set up the CA as `ca init` does."""
    from dockertls_vault.ca import bootstrap
    from dockertls_vault.ca.desired import DesiredState
    from dockertls_vault.vault.mount import CertificateAuthority

    settings = server.settings(os.environ)
    desired = DesiredState(
        domains=domains,
        allow_any_name=not domains,
        server_role=settings.server_role,
        client_role=settings.client_role,
    )
    with open_session(settings, preferences) as session:
        ca = CertificateAuthority(session, settings.mount)
        bootstrap.apply(ca, bootstrap.plan(ca, desired))
    names = f"names below {', '.join(domains)}" if domains else "any name (no --domain was given)"
    logger.info("embedded OpenBao at %s, set up with `ca init`", server.address)
    logger.info("server certificates may have %s", names)


def _exports(server: DevServer) -> list[str]:
    """Return the lines that point a shell at the server and at no other, and undo that later."""
    from dockertls_vault.dev import is_vault_variable

    foreign = [
        name
        for name in os.environ
        # A shell cannot have set a variable of any other name, and would not parse it.
        if is_vault_variable(name)
        and name not in server.variables
        and re.fullmatch(r"[A-Z0-9_]+", name)
    ]
    return [
        *(f"unset {name}" for name in sorted(foreign)),
        *(f"export {name}={shlex.quote(value)}" for name, value in server.variables.items()),
        f"# afterwards: unset {' '.join(server.variables)}",
    ]
