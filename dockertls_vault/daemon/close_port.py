"""Close the port of a dockerd that lets anyone in, whatever makes it do so."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dockertls_vault.docker.handshake import probe
from dockertls_vault.errors import ConflictingState, DockerUnavailable
from dockertls_vault.host import systemd

from . import units

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import timedelta

    from .desired import Listen

_UNIT = "docker-tls-closing.service"
# dockerd keeps what systemd has passed to it until it ends, and each start with the drop-in would
# open the socket again. One that has opened the port itself would do so again, and is not restarted
# for nothing, every time that this is tried.
_SCRIPT = f"""\
rm --force {systemd.UNITS / units.DROP_IN}
systemctl daemon-reload
if systemctl is-active --quiet {units.SOCKET}; then
    systemctl stop {units.SOCKET}
fi
systemctl reset-failed {units.SOCKET} {units.SERVICE} || true
process=/proc/$(systemctl show --property=MainPID --value {units.SERVICE})
if grep --quiet {units.SOCKET} $process/environ; then
    systemctl restart {units.SERVICE}
fi
"""


def close(listens: Iterable[Listen], timeout: timedelta, limit: float) -> None:
    """Close docker-tls.socket until the host is set up again, and restart dockerd without it.

    systemd runs all of it, and completes it even if this process is killed; besides, the hook of a
    renewal cannot write to /etc.

    ``limit`` is for how many seconds it is waited for, ``timeout`` that of a connection. Raises
    ConflictingState if the port is not closed by then, and DockerUnavailable if it is, but dockerd
    has not started again.
    """
    failure = _run(limit)
    for listen in listens:
        for endpoint in listen.endpoints:
            try:
                probe.connect(endpoint, timeout)
            except DockerUnavailable:
                continue
            still = f"{endpoint.authority} still accepts connections"
            raise ConflictingState(f"{still}; {failure}" if failure else still)
    if failure:
        raise DockerUnavailable(failure)


def _run(limit: float) -> str:
    """Run the script; return why it has not succeeded, "" if it has."""
    try:
        systemd.run(_UNIT, {"Type": "oneshot"}, ("/bin/sh", "-ec", _SCRIPT), limit)
    except ConflictingState as error:
        return error.message
    return ""
