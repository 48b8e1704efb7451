"""``dockertls-vault daemon clients``."""

from __future__ import annotations

import logging
import os
from datetime import UTC, datetime
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Annotated

import typer

from dockertls_vault.certificate.request import Purpose
from dockertls_vault.docker.endpoint import DEFAULT_PORT
from dockertls_vault.duration import format_time, parse_duration
from dockertls_vault.errors import DockerTLSError
from dockertls_vault.settings.schema import Settings

from . import render, restart
from .directories import SERVER_DIRECTORY, state_directory
from .help import examples
from .options import parsed, with_preferences, with_settings
from .preferences import Preferences
from .text import Lines

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dockertls_vault.clients import AcceptedCA, Clients, Rejected

logger = logging.getLogger(__name__)

EXAMPLES = examples(
    "sudo dockertls-vault daemon clients",
    "sudo dockertls-vault daemon clients --port 443 -o json",
)
_ORIGINS = {
    "vault": "from Vault",
    "other": "in no ca.pem from Vault on this host",
    "ambiguous": "the name of Vault's, and of another CA",
}
_ANEW = (
    "once such a client has a new certificate, `sudo %s` begins anew: what dockerd logged before "
    "it does not count"
)


@with_preferences("output", "quiet")
@with_settings(others=("state_dir",))
def clients(
    settings: Settings,
    preferences: Preferences,
    port: Annotated[
        int | None,
        typer.Option(
            metavar="PORT",
            help="The daemon's TLS port; by default that of `daemon configure`, or else 2376.",
            min=1,
            max=65535,
        ),
    ] = None,
    timeout: Annotated[
        str, typer.Option(metavar="DURATION", help="The timeout for the daemon's response.")
    ] = "3s",
) -> None:
    """Show who connects to dockerd, and who may still need an old CA.

    It lists the CAs whose clients the daemon accepts, the addresses that are connected now, and
    those that it has rejected, from the journal of docker.service: since it stopped accepting a CA,
    if `daemon configure` has set it up, or else since it last started. dockerd does not log whom it
    accepts. The exit status is 0 if it accepts no CA besides Vault's, and no other host has failed
    to connect for want of a trusted CA since then; 1 if one has; and 3 if that is unknown.
    """
    from dockertls_vault.clients import Verdict, find
    from dockertls_vault.credential.registry import Registry
    from dockertls_vault.daemon import address
    from dockertls_vault.daemon.units import SERVICE

    limit = parsed("--timeout", parse_duration, timeout)
    state = state_directory(settings, os.environ)
    known = Registry(state).known()
    set_up = address.find(state)
    directories = dict.fromkeys((SERVER_DIRECTORY, *known, SERVER_DIRECTORY.parent))
    asked = port or (set_up.port if set_up else DEFAULT_PORT)
    found = find(asked, tuple(directories), state, limit)
    is_proven, now = found.verdict is Verdict.NOBODY, datetime.now(UTC)
    render.show("daemon-clients", found, preferences, parts=_parts(found, now), ok=is_proven)
    if found.verdict is Verdict.ACCEPTED:
        logger.info(_trial(state, known))
    elif found.verdict is Verdict.REJECTED:
        how = "dockertls-vault daemon restart" if set_up else f"systemctl restart {SERVICE}"
        logger.info(_ANEW, how)
    raise typer.Exit({Verdict.NOBODY: 0, Verdict.REJECTED: 1}.get(found.verdict, 3))


def _trial(state: Path, known: Iterable[Path]) -> str:
    """Return how to find out who needs a CA, with the credential in ``known`` that dockerd uses."""
    from dockertls_vault.daemon.pickup import Pickup, of

    set_up = [each for each in known if of(str(state), str(each)) is Pickup.RESTART]
    servers = set_up or [each for each in known if _is_server(each)]
    directory = servers[0] if len(servers) == 1 else Path("DIR")
    option = restart.option(directory)
    by_hand, again = (
        ("", "brings") if set_up else (" restart dockerd,", "and another restart bring")
    )
    return (
        "to find out who needs it, stop trusting it as a trial: `sudo -E dockertls-vault issue "
        f"server{option} --also-trust none`,{by_hand} and run this command again once every client "
        "has called; before the next renewal, `sudo dockertls-vault rollback "
        f"{quote(str(directory))}` {again} it back"
    )


def _is_server(directory: Path) -> bool:
    from dockertls_vault.credential import condition, reader
    from dockertls_vault.credential.worker import by_worker

    try:
        found = by_worker(reader.locate(directory), condition.read)
    except (DockerTLSError, OSError):
        return False
    return found.record.request.purpose is Purpose.SERVER


def _parts(found: Clients, now: datetime) -> list[render.Part]:
    pairs: list[tuple[str, Lines]] = []
    if found.accepts is not None:
        pairs.append(("accepts", [ca(each, now) for each in found.accepts] or ["(no CA named)"]))
    if found.connected is not None:
        lines = [f"{each.address} ({each.connections})" for each in found.connected]
        pairs.append(("connected now", lines or ["(nobody)"]))
    if found.rejected is not None and found.logged_since is not None:
        lines = [_rejected(each) for each in found.rejected]
        pairs += [
            ("log since", format_time(found.logged_since)),
            ("rejected", lines or ["(nobody)"]),
        ]
    if found.old_keys:
        pairs.append(("old keys", list(map(str, found.old_keys))))
    if found.unknown:
        pairs.append(("unknown", list(found.unknown)))
    return [render.Fields([*pairs, ("result", _result(found))])]


def _rejected(found: Rejected) -> str:
    often = "once, at" if found.count == 1 else f"{found.count} times, the last at"
    who = f"{found.address} (this host)" if found.is_this_host else found.address
    return f"{who}: {found.reason.meaning}; {often} {format_time(found.last)}"


def ca(accepted: AcceptedCA, now: datetime) -> str:
    """Return a CA whose clients the daemon accepts, and whose it is, in words."""
    if accepted.until is not None:
        when = f"removed at {format_time(accepted.until)}"
        if now < accepted.until:
            return f"{accepted.subject} (to be {when})"
        return f"{accepted.subject} (should have been {when}: run `sudo dockertls-vault renew`)"
    return f"{accepted.subject} ({_ORIGINS[accepted.origin.value]})"


def _result(found: Clients) -> str:
    from dockertls_vault.clients import Verdict

    match found.verdict, found.logged_since:
        case Verdict.NOBODY, since if since is not None:
            return (
                "nobody from another host has needed a CA besides Vault's since "
                f"{format_time(since)}; who has not called since then is unknown"
            )
        case Verdict.REJECTED, _:
            return "another host was rejected, and may need another CA, or a new certificate"
        case Verdict.ACCEPTED, _:
            return "unknown who uses a CA besides Vault's: the daemon still accepts one"
    return "unknown"
