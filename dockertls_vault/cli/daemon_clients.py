"""``dockertls-vault daemon clients``."""

from __future__ import annotations

import logging
import os
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Annotated

import typer

from dockertls_vault.docker.endpoint import DEFAULT_PORT
from dockertls_vault.duration import format_time, parse_duration
from dockertls_vault.errors import DockerTLSError
from dockertls_vault.settings.schema import Settings

from . import render, restart
from .directories import SERVER_DIRECTORY, set_up_directory, state_directory
from .help import examples
from .options import parsed, with_preferences, with_settings
from .preferences import Preferences
from .text import Lines

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

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
    "once such a client has a new certificate, `sudo %s` starts the count over: what dockerd "
    "logged before no longer matters"
)
_NOT_YET = (
    "who needs it can be found out once dockerd uses a certificate from Vault, which it does not "
    "yet: first move its clients, then run `sudo dockertls-vault daemon configure`"
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
    from dockertls_vault.daemon import address
    from dockertls_vault.daemon.units import SERVICE

    limit = parsed("--timeout", parse_duration, timeout)
    state = set_up_directory(settings)
    known = _known(state_directory(settings, os.environ), state)
    set_up = address.find(state)
    directories = dict.fromkeys((SERVER_DIRECTORY, *known, SERVER_DIRECTORY.parent))
    asked = port or (set_up.port if set_up else DEFAULT_PORT)
    now = datetime.now(UTC)
    found = find(asked, tuple(directories), state, limit, now)
    is_proven = found.verdict is Verdict.NOBODY
    render.show("daemon-clients", found, preferences, parts=_parts(found, now), ok=is_proven)
    if found.verdict is Verdict.ACCEPTED:
        logger.info(_trial(state, known, found.presents))
    elif found.verdict is Verdict.REJECTED:
        how = "dockertls-vault daemon restart" if set_up else f"systemctl restart {SERVICE}"
        logger.info(_ANEW, how)
    raise typer.Exit({Verdict.NOBODY: 0, Verdict.REJECTED: 1}.get(found.verdict, 3))


def _known(own: Path, host: Path) -> list[Path]:
    """Return the credentials listed in the state directory of this user, and in the host's."""
    from dockertls_vault.credential.registry import Registry

    found = {*Registry(own).known()}
    with suppress(DockerTLSError):  # others may not be allowed to read it
        found.update(Registry(host).known())
    return sorted(found)


def _trial(state: Path, known: Iterable[Path], presents: Path | None) -> str:
    """Return how to find out who needs a CA: with the credential that dockerd uses.

    That is the one in ``known`` for which it was set up, or the one that it ``presents``.
    """
    from dockertls_vault.daemon.pickup import Pickup, of

    set_up = [each for each in known if of(str(state), str(each)) is Pickup.RESTART]
    directory = set_up[0] if len(set_up) == 1 else presents
    if directory is None:
        return _NOT_YET
    restarted, again = (
        ("", "") if set_up else (" restart dockerd unless a hook does,", ", and restart it again")
    )
    return (
        "to find out who needs it, stop trusting it as a trial: `sudo -E dockertls-vault issue "
        f"server{restart.option(directory)} --also-trust none`,{restarted} and run this command "
        "again once every client has called; to trust it again, run `sudo dockertls-vault rollback "
        f"{quote(str(directory))}` before the next renewal{again}"
    )


def _parts(found: Clients, now: datetime) -> list[render.Part]:
    pairs: list[tuple[str, Lines]] = []
    if found.accepts is not None:
        pairs.append(("accepts", [ca(each, now) for each in found.accepts] or ["(no CA named)"]))
    if found.connected is not None:
        lines = [f"{each.address} ({each.connections})" for each in found.connected]
        pairs.append(("connected now", lines or ["(nobody)"]))
    if found.rejected is not None and found.logged_since is not None:
        lines = list(_rejections(found.rejected))
        pairs += [
            ("counted since", format_time(found.logged_since)),
            ("rejected", lines or ["(nobody)"]),
        ]
    if found.old_keys:
        pairs.append(("old keys", list(map(str, found.old_keys))))
    if found.unknown:
        pairs.append(("unknown", list(found.unknown)))
    return [render.Fields([*pairs, ("result", _result(found))])]


def _rejections(found: Sequence[Rejected]) -> Iterator[str]:
    """Yield a line for each, and one for this host: each check of this program is rejected."""
    yield from (_rejected(each) for each in found if not each.is_this_host)
    own = [each for each in found if each.is_this_host]
    if own:
        often = _often(sum(each.count for each in own), max(each.last for each in own))
        yield f"this host: {often}; that does not count"


def _rejected(found: Rejected) -> str:
    return f"{found.address}: {found.reason.meaning}; {_often(found.count, found.last)}"


def _often(count: int, last: datetime) -> str:
    return f"{'once, at' if count == 1 else f'{count} times, the last at'} {format_time(last)}"


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
