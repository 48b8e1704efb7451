"""``dockertls-vault issue server|client``."""

from __future__ import annotations

import dataclasses
import logging
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from dockertls_vault.ca.policy import Person
from dockertls_vault.certificate.request import Purpose, Request
from dockertls_vault.credential.layout import Layout
from dockertls_vault.credential.record import Record
from dockertls_vault.duration import parse_ttl
from dockertls_vault.settings.schema import Settings

from . import issued, render, restart
from .directories import CLIENT_DIRECTORY, SERVER_DIRECTORY, install_directory
from .help import Command, command_group, described, vault_epilog
from .options import VAULT, once, parsed, with_preferences, with_settings
from .preferences import Preferences
from .session import needing, open_session

if TYPE_CHECKING:
    from pathlib import Path

    from typer.models import OptionInfo

    from dockertls_vault.certificate.names import Names
    from dockertls_vault.credential.layout import Placement

logger = logging.getLogger(__name__)
app = command_group("Issue a certificate, verify it and install it.")


def _ttl(default: str) -> OptionInfo:
    text = "The requested TTL, such as 90s, 15m, 1h30m or 7d."
    option: OptionInfo = typer.Option(metavar="DURATION", help=described(text, default=default))
    return option


def _directory_option(default: Path) -> OptionInfo:
    text = described("The directory to install the files in.", default=str(default))
    option: OptionInfo = typer.Option("--dir", metavar="DIR", help=text)
    return option


ServerTTLOption = Annotated[str | None, _ttl("7d")]
ClientTTLOption = Annotated[str | None, _ttl("1h")]
ServerDirectoryOption = Annotated[list[str] | None, _directory_option(SERVER_DIRECTORY)]
ClientDirectoryOption = Annotated[list[str] | None, _directory_option(CLIENT_DIRECTORY)]
LayoutOption = Annotated[
    Layout, typer.Option(help="Use the file names of dockerd and docker, or of docker:dind.")
]
OwnerOption = Annotated[
    list[str] | None,
    typer.Option(metavar="USER", help="The owner of the files (root only)."),
]
GroupOption = Annotated[
    list[str] | None,
    typer.Option(metavar="GROUP", help="A group that can read the private key (mode 0440)."),
]
ReplaceOption = Annotated[
    bool,
    typer.Option(
        "--replace",
        help="Overwrite files that dockertls-vault did not create; a backup is kept.",
    ),
]


@app.command(
    cls=Command,
    epilog=vault_epilog(
        "sudo -E dockertls-vault issue server",
        "dockertls-vault issue server --host docker1.example.internal --ttl 30d",
    ),
)
@with_preferences("output", "quiet", "verbose")
@with_settings("server_role", "key_type", "admin_group", "mount", "trust_mount", *VAULT)
def server(
    settings: Settings,
    preferences: Preferences,
    host: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help=described(
                "A DNS name or IP address that clients connect to; repeatable.",
                default="the names and addresses of this machine, and localhost",
            ),
        ),
    ] = None,
    ttl: ServerTTLOption = None,
    directory: ServerDirectoryOption = None,
    layout: LayoutOption = Layout.DOCKER,
    owner: OwnerOption = None,
    group: GroupOption = None,
    replace: ReplaceOption = False,
) -> None:
    """Issue a server certificate (serverAuth only) for a Docker daemon."""
    from dockertls_vault.certificate.names import parse_names
    from dockertls_vault.issue import server_common_name

    names, settings = _find_names(settings) if host is None else (parse_names(host), settings)
    request = _request(Purpose.SERVER, settings, names, server_common_name(names), ttl)
    record = _record(request, settings, layout, owner, group)
    place = record.place(
        install_directory(once("--dir", directory), SERVER_DIRECTORY), settings.admin_group
    )
    if host is None:
        logger.info("names detected on this machine: %s", ", ".join(names.all))
    _issue(settings, preferences, record, place, replace=replace, names_found=host is None)


@app.command(
    cls=Command,
    epilog=vault_epilog(
        "dockertls-vault issue client --name alice",
        'dockertls-vault issue client --ttl 10m --dir "$(mktemp -d)"',
    ),
)
@with_preferences("output", "quiet", "verbose")
@with_settings("client_role", "key_type", "admin_group", "mount", "trust_mount", *VAULT)
def client(
    settings: Settings,
    preferences: Preferences,
    name: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help=described(
                "The common name, which Docker authorization plugins see as the user name.",
                default="user@host",
            ),
        ),
    ] = None,
    ttl: ClientTTLOption = None,
    directory: ClientDirectoryOption = None,
    layout: LayoutOption = Layout.DOCKER,
    owner: OwnerOption = None,
    group: GroupOption = None,
    replace: ReplaceOption = False,
) -> None:
    """Issue a client certificate (clientAuth only) for a user or CI job."""
    from dockertls_vault.certificate.names import Names, parse_common_name
    from dockertls_vault.host import identity

    user = identity.user_at_host() if name is None else parse_common_name(name)
    request = _request(Purpose.CLIENT, settings, Names(), user, ttl)
    record = _record(request, settings, layout, owner, group)
    place = record.place(
        install_directory(once("--dir", directory), CLIENT_DIRECTORY), settings.admin_group
    )
    _issue(settings, preferences, record, place, replace=replace)


def _request(
    purpose: Purpose, settings: Settings, names: Names, common_name: str | None, ttl: str | None
) -> Request:
    from dockertls_vault.issue import DEFAULT_TTL

    return Request(
        purpose=purpose,
        mount=settings.mount,
        role=settings.server_role if purpose is Purpose.SERVER else settings.client_role,
        names=names,
        common_name=common_name,
        ttl=DEFAULT_TTL[purpose] if ttl is None else parsed("--ttl", parse_ttl, ttl),
        key_type=settings.key_type,
    )


def _record(
    request: Request,
    settings: Settings,
    layout: Layout,
    owner: list[str] | None,
    group: list[str] | None,
) -> Record:
    return Record(
        request,
        layout,
        settings.trust_mount,
        owner=once("--owner", owner),
        group=once("--group", group),
    )


def _find_names(settings: Settings) -> tuple[Names, Settings]:
    """Return this machine's names, and the settings with the remaining timeout.

    DNS gets half of the timeout, so that a hanging resolver costs the FQDN but not the certificate.
    """
    from dockertls_vault.host import identity

    started = time.monotonic()
    names = identity.names(settings.timeout.total_seconds() / 2)
    taken = timedelta(seconds=time.monotonic() - started)
    return names, dataclasses.replace(settings, timeout=settings.timeout - taken)


def _issue(
    settings: Settings,
    preferences: Preferences,
    record: Record,
    place: Placement,
    *,
    replace: bool,
    names_found: bool = False,
) -> None:
    """Issue a credential into ``place`` and print the result."""
    from dockertls_vault.issue import issue
    from dockertls_vault.vault.pki import PKI

    request = record.request
    with (
        needing(Person(request.purpose.value), request.mount, request.role),
        open_session(settings, preferences) as session,
    ):
        signer = PKI(session, settings.mount)
        result = issue(
            record,
            place,
            signer=signer,
            trust=PKI(session, settings.trust_mount) if settings.trust_mount else signer,
            drop_refused_names=names_found,
            replace_files=replace,
            clock=lambda: datetime.now(UTC),
        )
    if result.dropped_names:
        logger.info(issued.dropped_names(result))
    render.show(
        "issued",
        result,
        preferences,
        parts=[issued.fields(result)],
        warnings=result.warnings,
    )
    if request.purpose is Purpose.SERVER:
        logger.info(restart.note(record.layout))
