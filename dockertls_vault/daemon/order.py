"""The order of the steps of a set-up, in which each may be the last one before a kill.

daemon.json configures TLS before there is a socket, and no longer only once there is none: dockerd
would serve it in plaintext.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dockertls_vault.docker import daemon_json
from dockertls_vault.host.steps import ReloadUnits, Write

from .desired import LIVE_RESTORE
from .steps import CloseSocket, Restart, SwitchLiveRestore

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from dockertls_vault.host.steps import Step

    from .edit import Edit
    from .inspection import Host, Inspection
    from .set_up_files import Files

# Why daemon.json is edited more than once.
_ON = f"{LIVE_RESTORE} on, which the reload applies"
_OFF = f"{LIVE_RESTORE} off, which the reload applies"
_KEPT = f"without TLS, but with {LIVE_RESTORE} until after the restart"
_GONE = f"without {LIVE_RESTORE}"


def opening(
    host: Host, current: Inspection, target: Files, edits: Sequence[Edit], *, restart: bool
) -> Iterator[Step]:
    """Yield the steps to a target with a socket."""
    yield from _with_tls(host, current, target, edits)
    yield from _with_socket(host, current, target)
    if restart:
        yield Restart(host.engine)


def closing(
    host: Host, current: Inspection, target: Files, edits: Sequence[Edit], *, restart: bool
) -> Iterator[Step]:
    """Yield the steps to a target without a socket."""
    yield from _without_socket(host, current)
    written = current.files.daemon_json
    # As a flag it stays; dockerd refuses to start if it is in the file, too.
    is_flag = current.service.flags.live_restore is not None
    ends = current.live_restore is True and not is_flag and not has_live_restore(target.daemon_json)
    first, why = target.daemon_json, ""
    if ends and restart:
        # Containers survive the restart only if it is in effect before and after (moby#27057).
        first, why = _with_live_restore(first, on=True), _KEPT
    if (edits or (ends and restart)) and written != first:
        # Flags that are put back must not be in the file, too.
        yield Write(host.daemon_json, written, first, why)
        written = first
    yield from _editing(edits)
    if restart:
        yield Restart(host.engine)
    if ends:
        # At a reload, dockerd does not change what the file leaves out.
        off = _with_live_restore(target.daemon_json, on=False)
        yield Write(host.daemon_json, written, off, _OFF)
        yield SwitchLiveRestore(host.engine, on=False)
        written = off
    if written != target.daemon_json:
        yield Write(host.daemon_json, written, target.daemon_json, _GONE if ends else "")


def has_live_restore(content: bytes | None) -> bool:
    """Tell whether daemon.json switches live-restore on."""
    return daemon_json.parse(content).values.get(LIVE_RESTORE) is True


def _with_tls(
    host: Host, current: Inspection, target: Files, edits: Sequence[Edit]
) -> Iterator[Step]:
    """Yield the steps that move settings to daemon.json, with live-restore in effect."""
    written = current.files.daemon_json
    switches = (
        current.live_restore is False
        and current.can_reload
        and has_live_restore(target.daemon_json)
    )
    switch_on = SwitchLiveRestore(host.engine, on=True, running=current.running)
    if edits and switches:
        # dockerd would not reload a file with a setting that it still has as a flag, too.
        live = _with_live_restore(written, on=True)
        yield Write(host.daemon_json, written, live, _ON)
        yield switch_on
        written = live
    yield from _editing(edits)
    if written != target.daemon_json:
        yield Write(host.daemon_json, written, target.daemon_json)
    if switches and not edits:
        yield switch_on


def _with_socket(host: Host, current: Inspection, target: Files) -> Iterator[Step]:
    """Yield the steps after which a start of docker.service opens the socket."""
    files = current.files
    if files.socket != target.socket:
        yield Write(host.socket, files.socket, target.socket)
    if files.drop_in != target.drop_in:
        yield Write(host.drop_in, files.drop_in, target.drop_in)
    if current.is_stale or (files.socket, files.drop_in) != (target.socket, target.drop_in):
        yield ReloadUnits()
    is_proven = current.record is not None and current.record.proven
    is_right = (
        is_proven and current.is_open and not current.is_stale and files.socket == target.socket
    )
    if current.is_listening and not is_right:
        # The start opens it anew, where its file now says. After a kill it may still be open where
        # the file said before.
        yield CloseSocket()


def _without_socket(host: Host, current: Inspection) -> Iterator[Step]:
    """Yield the steps after which systemd has no socket; dockerd keeps its own until it ends."""
    files = current.files
    if files.drop_in is not None:
        yield Write(host.drop_in, files.drop_in, None)
    if files.socket is not None:
        yield Write(host.socket, files.socket, None)
    if current.is_stale or (files.drop_in, files.socket) != (None, None):
        yield ReloadUnits()
    if current.is_listening or files.socket is not None:
        yield CloseSocket()


def _editing(edits: Sequence[Edit]) -> Iterator[Step]:
    """Yield the steps of edits; each is in effect before the next one."""
    for edit in edits:
        yield Write(edit.path, edit.before, edit.after)
        if edit.is_unit:
            yield ReloadUnits()


def _with_live_restore(content: bytes | None, *, on: bool) -> bytes:
    return daemon_json.parse(content).merged({LIVE_RESTORE: on})
