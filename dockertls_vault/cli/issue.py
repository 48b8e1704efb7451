"""``dockertls-vault issue server|client``."""

from __future__ import annotations

import dataclasses
import logging
import os
import shlex
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from dockertls_vault.ca.policy import Person
from dockertls_vault.certificate.request import Purpose, Request
from dockertls_vault.credential.layout import Layout
from dockertls_vault.credential.record import Record
from dockertls_vault.duration import parse_ttl
from dockertls_vault.errors import DockerTLSError
from dockertls_vault.settings.schema import Settings
from dockertls_vault.window import parse_window

from . import also_trust_option, issued, render, settled, timer
from .directories import CLIENT_DIRECTORY, SERVER_DIRECTORY, install_directory, state_directory
from .help import Command, command_group, described, vault_epilog
from .hook_option import DEFAULT, NONE, parse_hooks
from .options import VAULT, once, parsed, with_preferences, with_settings
from .preferences import Preferences
from .previous import Previous, previous
from .running import running
from .session import needing, open_session

if TYPE_CHECKING:
    from pathlib import Path

    from typer.models import OptionInfo

    from dockertls_vault.certificate.names import Names
    from dockertls_vault.credential.hooks import Command as Hook
    from dockertls_vault.issue import Issued
    from dockertls_vault.window import Window

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


def _hook_option(default: str) -> OptionInfo:
    text = (
        "A command to run after each swap, such as 'systemctl reload haproxy'; repeatable; "
        f"'{NONE}' for no hook, '{DEFAULT}' for the default again."
    )
    option: OptionInfo = typer.Option(metavar="COMMAND", help=described(text, default=default))
    return option


ServerTTLOption = Annotated[str | None, _ttl("7d")]
ClientTTLOption = Annotated[str | None, _ttl("1h")]
ServerDirectoryOption = Annotated[list[str] | None, _directory_option(SERVER_DIRECTORY)]
ClientDirectoryOption = Annotated[list[str] | None, _directory_option(CLIENT_DIRECTORY)]
LayoutOption = Annotated[
    Layout | None,
    typer.Option(
        help=described(
            "Use the file names of dockerd and docker, or of docker:dind.",
            default=Layout.DOCKER.value,
        )
    ),
]
OwnerOption = Annotated[
    list[str] | None,
    typer.Option(metavar="USER", help="The owner of the files (root only)."),
]
GroupOption = Annotated[
    list[str] | None,
    typer.Option(metavar="GROUP", help="A group that can read the private key (mode 0440)."),
]
ServerHookOption = Annotated[
    list[str] | None, _hook_option("restart the dockerd that `daemon configure` set up")
]
ClientHookOption = Annotated[list[str] | None, _hook_option("no hook")]
WindowOption = Annotated[
    str | None,
    typer.Option(
        metavar="TIMES",
        help="When hooks may run, such as 'Sat 02:00-04:00' or 'Mon..Fri 22:00-06:00'; "
        f"'{NONE}' for any time.",
    ),
]
ReuseKeyOption = Annotated[
    bool | None,
    typer.Option(
        "--reuse-key/--new-key",
        help=described("Keep the private key at each renewal.", default="a new key"),
    ),
]
AlsoTrustOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="FILE",
        help="The certificate of another CA that ca.pem also contains until a date, such as the "
        f"CA that this one replaces; repeatable; '{also_trust_option.NONE}' for no other CA.",
    ),
]
AlsoTrustUntilOption = Annotated[
    str | None,
    typer.Option(
        metavar="DATE",
        help="Until when: a date such as 2030-12-31, up to its end in UTC, or a duration from now "
        "such as 30d.",
    ),
]
FreshOption = Annotated[
    bool,
    typer.Option("--fresh", help="Ignore what was requested before for the same directory."),
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
    layout: LayoutOption = None,
    owner: OwnerOption = None,
    group: GroupOption = None,
    hook: ServerHookOption = None,
    window: WindowOption = None,
    reuse_key: ReuseKeyOption = None,
    also_trust: AlsoTrustOption = None,
    also_trust_until: AlsoTrustUntilOption = None,
    fresh: FreshOption = False,
    replace: ReplaceOption = False,
) -> None:
    """Issue a server certificate (serverAuth only) for a Docker daemon.

    In a directory that has one, what you do not give is requested as before.
    """
    from dockertls_vault.certificate.names import parse_names
    from dockertls_vault.issue import server_common_name

    into = install_directory(once("--dir", directory), SERVER_DIRECTORY)
    before = Previous(None) if fresh else _previous(into, Purpose.SERVER, settings)
    wanted = None if host is None else parse_names(host)
    given = before.choose("--host", wanted, "given_names", None)
    names, settings = _find_names(settings) if given is None else (given, settings)
    record = _record(
        Purpose.SERVER,
        settings,
        before,
        _Options(layout, ttl, owner, group, hook, window, reuse_key, also_trust, also_trust_until),
        names=names,
        common_name=server_common_name(names),
        detected_names=names if given is None else None,
    )
    _issue(settings, preferences, record, into, replace=replace)


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
    layout: LayoutOption = None,
    owner: OwnerOption = None,
    group: GroupOption = None,
    hook: ClientHookOption = None,
    window: WindowOption = None,
    reuse_key: ReuseKeyOption = None,
    also_trust: AlsoTrustOption = None,
    also_trust_until: AlsoTrustUntilOption = None,
    fresh: FreshOption = False,
    replace: ReplaceOption = False,
) -> None:
    """Issue a client certificate (clientAuth only) for a user or CI job.

    In a directory that has one, what you do not give is requested as before.
    """
    from dockertls_vault.certificate.names import Names, parse_common_name
    from dockertls_vault.host import identity

    into = install_directory(once("--dir", directory), CLIENT_DIRECTORY)
    before = Previous(None) if fresh else _previous(into, Purpose.CLIENT, settings)
    wanted = None if name is None else parse_common_name(name)
    user = wanted or before.choose("--name", None, "request.common_name", identity.user_at_host())
    record = _record(
        Purpose.CLIENT,
        settings,
        before,
        _Options(layout, ttl, owner, group, hook, window, reuse_key, also_trust, also_trust_until),
        names=Names(),
        common_name=user,
        detected_names=None,
    )
    _issue(settings, preferences, record, into, replace=replace)


@dataclasses.dataclass(frozen=True)
class _Options:
    """The options that server and client certificates have in common; None if not given."""

    layout: Layout | None
    ttl: str | None
    owner: list[str] | None
    group: list[str] | None
    hook: list[str] | None
    window: str | None
    reuse_key: bool | None
    also_trust: list[str] | None
    also_trust_until: str | None


def _record(
    purpose: Purpose,
    settings: Settings,
    before: Previous,
    options: _Options,
    *,
    names: Names,
    common_name: str | None,
    detected_names: Names | None,
) -> Record:
    """Return what is requested: by the options, or else as before, or else the defaults."""
    from dockertls_vault.issue import DEFAULT_TTL

    ttl = None if options.ttl is None else parsed("--ttl", parse_ttl, options.ttl)
    mount = before.setting(settings, "mount", "request.mount")
    at_mount = before.if_signed_by(mount)
    request = Request(
        purpose=purpose,
        mount=mount,
        role=at_mount.setting(settings, f"{purpose.value}_role", "request.role"),
        names=names,
        common_name=common_name,
        ttl=before.choose("--ttl", ttl, "request.ttl", DEFAULT_TTL[purpose]),
        key_type=before.setting(settings, "key_type", "request.key_type"),
    )
    record = Record(
        request,
        layout=before.choose("--layout", options.layout, "layout", Layout.DOCKER),
        trust_mount=at_mount.setting(settings, "trust_mount", "trust_mount"),
        owner=before.choose("--owner", once("--owner", options.owner), "owner", None),
        group=before.choose("--group", once("--group", options.group), "group", None),
        detected_names=detected_names,
        reuse_key=before.choose("--reuse-key", options.reuse_key, "reuse_key", default=False),
        hooks=_hooks(options.hook, before),
        window=_window(options.window, before),
        also_trusted=also_trust_option.choose(
            options.also_trust,
            options.also_trust_until,
            before.record.also_trusted if before.record else (),
            datetime.now(UTC),
            Purpose.CLIENT if purpose is Purpose.SERVER else Purpose.SERVER,
        ),
    )
    before.report()
    return record


def _previous(directory: Path, purpose: Purpose, settings: Settings) -> Previous:
    from dockertls_vault.credential.registry import Registry

    return previous(directory, purpose, Registry(state_directory(settings, os.environ)))


def _hooks(texts: list[str] | None, before: Previous) -> tuple[Hook, ...] | None:
    """Return the hooks, None for the default of this host."""
    if texts == [DEFAULT]:
        return None
    given = None if texts is None else parse_hooks(texts, os.environ.get("PATH"))
    return before.choose("--hook", given, "hooks", None)


def _window(text: str | None, before: Previous) -> Window | None:
    if text == NONE:
        return None
    given = None if text is None else parsed("--window", parse_window, text)
    return before.choose("--window", given, "window", None)


def _find_names(settings: Settings) -> tuple[Names, Settings]:
    """Return this machine's names, and the settings with the remaining timeout.

    DNS gets half of the timeout, so that a hanging resolver costs the FQDN but not the certificate.
    """
    from dockertls_vault.host import identity

    started = time.monotonic()
    names = identity.names(settings.timeout.total_seconds() / 2)
    taken = timedelta(seconds=time.monotonic() - started)
    logger.info("names detected on this machine: %s", ", ".join(names.all))
    return names, dataclasses.replace(settings, timeout=settings.timeout - taken)


def _issue(
    settings: Settings,
    preferences: Preferences,
    record: Record,
    directory: Path,
    *,
    replace: bool,
) -> None:
    """Issue a credential into ``directory``, run its hooks, and print the result."""
    from dockertls_vault.issue import issue
    from dockertls_vault.vault.pki import PKI

    request, place = record.request, record.place(directory, settings.admin_group)
    hooks = running(settings, os.environ)
    with (
        needing(Person(request.purpose.value), request.mount, request.role),
        open_session(settings, preferences) as session,
    ):
        signer = PKI(session, request.mount)
        result = issue(
            record,
            place,
            signer=signer,
            trust=PKI(session, record.trust_mount) if record.trust_mount else signer,
            drop_refused_names=record.detected_names is not None,
            replace_files=replace,
            clock=lambda: datetime.now(UTC),
        )
    if result.dropped_names:
        logger.info(issued.dropped_names(result))
    unlisted = _list_for_renewal(place.directory, record, settings)
    result = dataclasses.replace(result, hooks=settled.run_hooks(place, hooks))
    render.show(
        "issued",
        result,
        preferences,
        parts=[issued.fields(result)],
        warnings=(*result.warnings, *unlisted, *_warnings_of_other_cas(result)),
        ok=result.hooks.failure is None,
    )
    settled.report(result.hooks, settled.restart_note(place, hooks))


def _warnings_of_other_cas(result: Issued) -> tuple[str, ...]:
    """Return warnings of CAs that may stay, or that look like Vault's.

    Only a server's ca.pem decides whose clients are accepted.
    """
    if result.purpose is not Purpose.SERVER:
        return ()
    alike = tuple(
        f"{ca.subject or '(empty)'} is also the name of Vault's CA: `daemon clients` cannot tell "
        "which of the two dockerd accepts"
        for ca in result.namesakes
    )
    return (*alike, *timer.end_date_warnings(result.also_trusted))


def _list_for_renewal(directory: Path, record: Record, settings: Settings) -> tuple[str, ...]:
    """List the credential for ``renew``; return a warning if that fails."""
    from dockertls_vault.credential.registry import Registry

    try:
        registry = Registry(state_directory(settings, os.environ))
        registry.vouch(directory, record)
        registry.add(directory)
    except DockerTLSError as error:
        name = shlex.quote(str(directory))
        why = f"could not list this credential for renewal: {error.message}"
        return (f"{why}; `dockertls-vault renew {name}` renews it",)
    return timer.warnings(timer.uncovered([directory.absolute()]))
