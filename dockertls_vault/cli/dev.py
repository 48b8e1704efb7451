"""``dockertls-vault dev``."""

from __future__ import annotations

import os
import shlex
from typing import TYPE_CHECKING, Annotated

import typer

from . import render, signals
from .options import Preferences, QuietOption

if TYPE_CHECKING:
    from dockertls_vault.dev import DevServer

app = typer.Typer(rich_markup_mode=None)


@app.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
def dev(
    ctx: typer.Context,
    command: Annotated[
        list[str] | None,
        typer.Argument(metavar="[-- COMMAND…]", help="Run this with it, and end with its status."),
    ] = None,
    domain: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="As for `ca init`; without it servers get any name."),
    ] = None,
    quiet: QuietOption = False,  # noqa: ARG001 - its callback remembers it
) -> None:
    """Run an embedded OpenBao with a CA in it, in memory, until a signal or a command ends it."""
    from dockertls_vault import dev as embedded

    preferences = ctx.ensure_object(Preferences)
    with embedded.running() as server:
        _init(server, domain or [], preferences)
        if command:
            status = embedded.run(command, server.environment(os.environ))
            if status in (embedded.STATUS_NOT_FOUND, embedded.STATUS_NOT_EXECUTABLE):
                render.warn(f"the command ended with {status}: {command[0]}")
            raise typer.Exit(status)
        for line in _exports(server):
            typer.echo(line)
        render.note("OpenBao runs until this command ends (Ctrl-C)", preferences)
        try:
            server.process.wait()
        except (KeyboardInterrupt, signals.Terminated):
            return
        render.warn(f"OpenBao ended by itself, with status {server.process.returncode}")
        raise typer.Exit(1)


def _init(server: DevServer, domains: list[str], preferences: Preferences) -> None:
    from dockertls_vault import bootstrap, config
    from dockertls_vault.vault.ca import CertificateAuthority
    from dockertls_vault.vault.session import open_session

    environ = server.environment(os.environ)
    settings = config.resolve({}, environ, config.config_files(environ))
    wish = bootstrap.Wish(
        domains=bootstrap.parse_domains(domains, allow_any_name=not domains),
        server_role=settings.server_role,
        client_role=settings.client_role,
    )
    with open_session(settings, say=render.warn) as session:
        ca = CertificateAuthority(session, settings.mount)
        bootstrap.apply(ca, bootstrap.plan(settings.mount, ca.state(tuple(wish.roles)), wish))
    names = ", ".join(domains) if domains else "any name"
    render.note(
        f"an embedded OpenBao at {server.address}; its servers may have {names}", preferences
    )


def _exports(server: DevServer) -> list[str]:
    """Return the lines that lead a shell to the server, and away from any other."""
    from dockertls_vault.dev import is_of_vault

    foreign = [name for name in os.environ if is_of_vault(name) and name not in server.variables]
    return [
        *(f"unset {name}" for name in sorted(foreign)),
        *(f"export {name}={shlex.quote(value)}" for name, value in server.variables.items()),
    ]
