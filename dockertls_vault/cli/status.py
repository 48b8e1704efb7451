"""``dockertls-vault status [DIR…]``."""

from __future__ import annotations

import functools
import logging
import os
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from dockertls_vault.duration import format_duration, format_time, parse_duration
from dockertls_vault.errors import InvalidInput
from dockertls_vault.settings.schema import Settings

from . import options, render
from .directories import state_directory
from .help import Command, examples, single_command
from .options import parsed, with_preferences, with_settings
from .preferences import Preferences
from .running import running
from .text import Lines

if TYPE_CHECKING:
    from dockertls_vault.docker.endpoint import Endpoint
    from dockertls_vault.status import CredentialStatus, Status

logger = logging.getLogger(__name__)
app = single_command()

_COLUMNS = (
    "status",
    "directory",
    "purpose",
    "names",
    "issuer",
    "valid until",
    "renewal due",
    "wire",
    "details",
)


@app.command(
    cls=Command,
    epilog=examples(
        "sudo dockertls-vault status",
        "dockertls-vault status ~/.docker --warn 1h --crit 10m -o json",
        "sudo dockertls-vault status --metrics /srv/textfile/dockertls-vault.prom",
    ),
)
@with_preferences("output", "quiet")
@with_settings("admin_group", others=("state_dir", "hook_timeout"))
def status(
    settings: Settings,
    preferences: Preferences,
    directories: options.Directories = None,
    warn: Annotated[
        str,
        typer.Option(metavar="TIME", help="Warn if less than this is left, such as 3d or 30%."),
    ] = "20%",
    crit: Annotated[
        str,
        typer.Option(metavar="TIME", help="Report critical if less than this is left."),
    ] = "10%",
    metrics: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="Also write the status to FILE for the textfile collector of Prometheus' node "
            "exporter, which reads *.prom.",
        ),
    ] = None,
    timeout: Annotated[
        str,
        typer.Option(
            metavar="DURATION",
            help="The timeout for each response of a daemon.",
        ),
    ] = "3s",
) -> None:
    """Show the certificates on this host and their problems.

    A server's certificate is compared with the one that its daemon presents: where `daemon
    configure` set it up, or else at DOCKER_HOST or on this host. Vault is not contacted. The exit
    status is that of the worst certificate, as for a monitoring plugin: 0 ok, 1 warning, 2
    critical, 3 unknown.
    """
    from dockertls_vault.certificate.threshold import parse_threshold
    from dockertls_vault.credential.registry import Registry
    from dockertls_vault.daemon import address
    from dockertls_vault.findings import Limits
    from dockertls_vault.host import identity
    from dockertls_vault.status import Asking
    from dockertls_vault.status import status as find_status

    limits = Limits(
        parsed("--warn", parse_threshold, warn), parsed("--crit", parse_threshold, crit)
    )
    limit = parsed("--timeout", parse_duration, timeout)
    target = None if metrics is None else options.directory("--metrics", metrics)
    detect = functools.cache(lambda: identity.names(limit.total_seconds()))
    state = state_directory(settings, os.environ)
    now = datetime.now(UTC)
    found = find_status(
        [options.directory("DIR", directory) for directory in directories or ()],
        running(settings, os.environ),
        Asking(_docker_host(os.environ), detect, limit, functools.partial(address.find, state)),
        limits,
        registered=Registry(state).known(),
        admins=settings.admin_group,
        now=now,
    )
    if target is not None:
        from dockertls_vault.metrics import write

        write(found, target, now)
    _show(found, preferences, now)
    raise typer.Exit(found.severity.exit_status)


def _docker_host(environ: Mapping[str, str]) -> Endpoint | None:
    """Return the endpoint in DOCKER_HOST, None if it is not one with TLS."""
    from dockertls_vault.docker.endpoint import parse_endpoint

    try:
        return parse_endpoint(environ.get("DOCKER_HOST") or "unix://")
    except InvalidInput:
        return None


def _show(found: Status, preferences: Preferences, now: datetime) -> None:
    if not found.credentials:
        logger.info("no credential is known on this host: name its directory, or issue one")
    rows = [_row(each, now) for each in found.credentials]
    parts = [render.Blocks(_COLUMNS, rows)] if rows else []
    ok = found.severity.exit_status == 0
    render.show("status", found, preferences, parts=parts, ok=ok)


def _row(found: CredentialStatus, now: datetime) -> tuple[Lines | render.Bar, ...]:
    certificate = found.certificate
    return (
        found.severity.value,
        str(found.directory),
        found.purpose.value if found.purpose else "",
        _names(found),
        certificate.issuer if certificate else "",
        _validity(found, now),
        format_time(found.renewal_due) if found.renewal_due else "",
        found.wire.presented.value if found.wire else "",
        [finding.detail for finding in found.findings],
    )


def _names(found: CredentialStatus) -> str:
    """Return the SANs, or the common name of a certificate that has none."""
    certificate = found.certificate
    if certificate is None:
        return ""
    names = (*certificate.dns_names, *certificate.ip_addresses)
    return ", ".join(names) or certificate.common_name or certificate.subject or "(none)"


def _validity(found: CredentialStatus, now: datetime) -> str | render.Bar:
    start, end = found.issued_at, found.valid_until
    if end is None:
        return ""
    if start is None or end <= now:
        return format_time(end)
    left = f"{format_duration(end - now)} left"
    return render.Bar(format_time(end), (end - now) / (end - start), left)
