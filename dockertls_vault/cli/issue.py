"""``dockertls-vault issue server|client``."""

from __future__ import annotations

import dataclasses
import os
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dockertls_vault.ca.policy import Person
from dockertls_vault.certificate.request import KeyType, Layout, Purpose, Request
from dockertls_vault.duration import format_duration, format_time, parse_ttl
from dockertls_vault.errors import CannotWrite
from dockertls_vault.settings import parsers

from . import options, render, restart, trust
from .options import (
    AdminGroupOption,
    AuthOption,
    MountOption,
    NamespaceOption,
    Output,
    OutputOption,
    Preferences,
    QuietOption,
    TimeoutOption,
    TrustMountOption,
    VerboseOption,
    described,
    of_setting,
    of_vault,
)

if TYPE_CHECKING:
    from typer.models import OptionInfo

    from dockertls_vault.certificate.names import Names
    from dockertls_vault.issue import Issued
    from dockertls_vault.settings.resolve import Settings

SERVER_DIRECTORY = Path("/etc/docker/tls")
CLIENT_DIRECTORY = Path("~/.docker")

app = options.commands("Issue a certificate, verify it, and install it.")


def _ttl(default: str) -> OptionInfo:
    text = "How long the certificate is valid: 90s, 15m, 1h30m, 7d."
    option: OptionInfo = typer.Option(metavar="DURATION", help=described(text, default=default))
    return option


def _directory_option(default: Path) -> OptionInfo:
    text = described("The directory for the files.", default=str(default))
    option: OptionInfo = typer.Option("--dir", metavar="DIR", help=text)
    return option


ServerTTLOption = Annotated[str | None, _ttl("7d")]
ClientTTLOption = Annotated[str | None, _ttl("1h")]
ServerDirectoryOption = Annotated[str | None, _directory_option(SERVER_DIRECTORY)]
ClientDirectoryOption = Annotated[str | None, _directory_option(CLIENT_DIRECTORY)]
ServerRoleOption = Annotated[str | None, of_setting("server_role", "NAME")]
ClientRoleOption = Annotated[str | None, of_setting("client_role", "NAME")]
LayoutOption = Annotated[
    Layout, typer.Option(help="Name the files as docker or as docker:dind expects them.")
]
KeyTypeOption = Annotated[KeyType | None, of_setting("key_type", "TYPE")]
OwnerOption = Annotated[
    str | None, typer.Option(metavar="USER", help="Who owns the files; only root can give it.")
]
GroupOption = Annotated[
    str | None, typer.Option(metavar="GROUP", help="A group that may read the key (0440).")
]
ReplaceOption = Annotated[
    bool, typer.Option("--replace", help="Take the place of files of others; they are kept.")
]


@app.command(
    epilog=of_vault(
        "sudo -E dockertls-vault issue server",
        "dockertls-vault issue server --host docker1.example.internal --ttl 30d",
    )
)
def server(
    ctx: typer.Context,
    host: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help=described(
                "A DNS name or an IP address that clients dial; repeat it for more.",
                default="the names and addresses of this machine, and localhost",
            ),
        ),
    ] = None,
    ttl: ServerTTLOption = None,
    directory: ServerDirectoryOption = None,
    layout: LayoutOption = Layout.DOCKER,
    key_type: KeyTypeOption = None,
    owner: OwnerOption = None,
    group: GroupOption = None,
    admin_group: AdminGroupOption = None,
    replace: ReplaceOption = False,
    role: ServerRoleOption = None,
    mount: MountOption = None,
    trust_mount: TrustMountOption = None,
    auth: AuthOption = None,
    namespace: NamespaceOption = None,
    timeout: TimeoutOption = None,
    output: OutputOption = Output.TABLE,  # noqa: ARG001 - its callback remembers it
    quiet: QuietOption = False,  # noqa: ARG001 - likewise
    verbose: VerboseOption = False,  # noqa: ARG001 - likewise
) -> None:
    """Issue a daemon's certificate, for serverAuth alone."""
    from dockertls_vault.certificate.names import parse_names
    from dockertls_vault.issue import DEFAULT_TTL, server_common_name

    settings = options.settings(
        mount=mount,
        trust_mount=trust_mount,
        server_role=role,
        key_type=key_type,
        admin_group=admin_group,
        auth=auth,
        namespace=namespace,
        timeout=timeout,
    )
    names, settings = _find_names(settings) if host is None else (parse_names(host), settings)
    request = Request(
        purpose=Purpose.SERVER,
        mount=settings.mount,
        role=settings.server_role,
        trust_mount=settings.trust_mount,
        names=names,
        common_name=server_common_name(names),
        ttl=DEFAULT_TTL[Purpose.SERVER] if ttl is None else options.parsed("--ttl", parse_ttl, ttl),
        key_type=settings.key_type,
        layout=layout,
        owner=owner,
        group=group,
    )
    _issue(
        ctx,
        settings,
        request,
        _directory(directory, SERVER_DIRECTORY),
        replace=replace,
        names_found=host is None,
    )


@app.command(
    epilog=of_vault(
        "dockertls-vault issue client --name alice",
        'dockertls-vault issue client --ttl 10m --dir "$(mktemp -d)"',
    )
)
def client(
    ctx: typer.Context,
    name: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help=described(
                "The common name, which Docker's authorization plugins take for the user.",
                default="user@host",
            ),
        ),
    ] = None,
    ttl: ClientTTLOption = None,
    directory: ClientDirectoryOption = None,
    layout: LayoutOption = Layout.DOCKER,
    key_type: KeyTypeOption = None,
    owner: OwnerOption = None,
    group: GroupOption = None,
    admin_group: AdminGroupOption = None,
    replace: ReplaceOption = False,
    role: ClientRoleOption = None,
    mount: MountOption = None,
    trust_mount: TrustMountOption = None,
    auth: AuthOption = None,
    namespace: NamespaceOption = None,
    timeout: TimeoutOption = None,
    output: OutputOption = Output.TABLE,  # noqa: ARG001 - its callback remembers it
    quiet: QuietOption = False,  # noqa: ARG001 - likewise
    verbose: VerboseOption = False,  # noqa: ARG001 - likewise
) -> None:
    """Issue the certificate of a user or a job, for clientAuth alone."""
    from dockertls_vault.certificate.names import Names, parse_common_name
    from dockertls_vault.host import identity
    from dockertls_vault.issue import DEFAULT_TTL

    settings = options.settings(
        mount=mount,
        trust_mount=trust_mount,
        client_role=role,
        key_type=key_type,
        admin_group=admin_group,
        auth=auth,
        namespace=namespace,
        timeout=timeout,
    )
    request = Request(
        purpose=Purpose.CLIENT,
        mount=settings.mount,
        role=settings.client_role,
        trust_mount=settings.trust_mount,
        names=Names(),
        common_name=identity.user_at_host() if name is None else parse_common_name(name),
        ttl=DEFAULT_TTL[Purpose.CLIENT] if ttl is None else options.parsed("--ttl", parse_ttl, ttl),
        key_type=settings.key_type,
        layout=layout,
        owner=owner,
        group=group,
    )
    _issue(ctx, settings, request, _directory(directory, CLIENT_DIRECTORY), replace=replace)


def _find_names(settings: Settings) -> tuple[Names, Settings]:
    """Return this machine's names, and the settings with the time that is left.

    DNS may take half of it, so that a resolver that hangs costs the FQDN and not the certificate.
    """
    from dockertls_vault.host import identity

    started = time.monotonic()
    names = identity.names(settings.timeout.total_seconds() / 2)
    taken = timedelta(seconds=time.monotonic() - started)
    return names, dataclasses.replace(settings, timeout=settings.timeout - taken)


def _directory(given: str | None, default: Path) -> Path:
    if given is not None:
        return options.directory("--dir", given)
    directory = parsers.path(str(default))
    if default == CLIENT_DIRECTORY:
        _refuse_home_of_another(directory)
    return directory


def _refuse_home_of_another(directory: Path) -> None:
    """Say so where HOME leads to another user's, as in a container that names no user.

    What is refused later would have root be the way out.
    """
    me = os.geteuid()
    nearest = next(step for step in (directory, *directory.parents) if os.path.lexists(step))
    if me in {0, nearest.lstat().st_uid} or os.access(nearest, os.W_OK | os.X_OK):
        return
    raise CannotWrite(
        f"HOME is {directory.parent}, which is not yours", hint="set HOME, or give --dir"
    )


def _issue(
    ctx: typer.Context,
    settings: Settings,
    request: Request,
    directory: Path,
    *,
    replace: bool,
    names_found: bool = False,
) -> None:
    from dockertls_vault.credential import layout
    from dockertls_vault.issue import issue
    from dockertls_vault.vault.pki import PKI

    preferences = ctx.ensure_object(Preferences)
    place = layout.place(request, directory, settings.admin_group)
    if names_found:
        render.note(f"names found on this machine: {', '.join(request.names.all)}", preferences)
    person = Person(request.purpose.value)
    with (
        options.needing(person, request.mount, request.role),
        options.session(settings, preferences) as session,
    ):
        signer = PKI(session, settings.mount)
        issued = issue(
            request,
            place,
            signer=signer,
            trust=PKI(session, settings.trust_mount) if settings.trust_mount else signer,
            drop_refused_names=names_found,
            replace_files=replace,
            announce=lambda lost: trust.say_who_is_shut_out(request.purpose, lost),
            clock=lambda: datetime.now(UTC),
        )
    if issued.left_out:
        render.note(_left_out(issued), preferences)
    render.show("issued", issued, preferences, words=[_fields(issued)], warnings=_warnings(issued))
    if request.purpose is Purpose.SERVER:
        render.note(restart.words(request.layout), preferences)


def _left_out(issued: Issued) -> str:
    from dockertls_vault.certificate.names import parse_address
    from dockertls_vault.vault.roles import widening

    names = ", ".join(issued.left_out)
    limit = " (an underscore needs enforce_hostnames=false in the role)" if "_" in names else ""
    who = f"the role {issued.role} or its issuer"
    dns = [name for name in issued.left_out if parse_address(name) is None and "_" not in name]
    allowing = widening(dns, issued.mount, issued.role)
    way_out = f"; if clients dial one, have it allowed: `{allowing}`" if dns else ""
    return f"left out, because {who} does not allow them: {names}{limit}{way_out}"


def _fields(issued: Issued) -> render.Fields:
    certificate = issued.certificate
    sans = (*certificate.dns_names, *certificate.ip_addresses)
    return render.Fields(
        [
            ("subject", certificate.subject or "(empty)"),
            ("names", ", ".join(sans) or "(none)"),
            ("issuer", certificate.issuer),
            ("serial", certificate.serial),
            ("valid from", f"{format_time(certificate.not_before)}{_back(issued)}"),
            ("valid until", f"{format_time(issued.valid_until)}{_from_now(issued)}"),
            ("sha256", certificate.fingerprint),
            ("files", [f"{file.mode} {file.path}" for file in issued.files]),
            *([("backup", str(issued.backup))] if issued.backup else []),
        ]
    )


def _from_now(issued: Issued) -> str:
    """Return the TTL beside the time that follows from it; a warning has one that was cut."""
    return "" if issued.shortened else f" ({format_duration(issued.asked_ttl)} from now)"


def _back(issued: Issued) -> str:
    """Return by how much the role dates certificates back, as far as that can be told."""
    back = issued.certificate.lifetime - issued.asked_ttl
    if issued.shortened or back <= timedelta():
        return ""
    return f" (dated back {format_duration(back)})"


def _warnings(issued: Issued) -> list[str]:
    if not issued.shortened or issued.valid_until < issued.certificate.not_after:
        return list(issued.warnings)
    shortened = (
        f"Vault shortened the validity of the certificate: {format_duration(issued.asked_ttl)} was "
        f"asked for, and it ends at {format_time(issued.certificate.not_after)}"
    )
    return [shortened, *issued.warnings]
