"""Close the port of a dockerd that lets anyone in, whatever makes it do so."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dockertls_vault.docker.handshake import probe
from dockertls_vault.errors import ConflictingState, DockerUnavailable
from dockertls_vault.host import systemd

from . import units
from .steps import CloseSocket

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import timedelta

    from .desired import Listen

_REMOVAL = "docker-tls-closing.service"


def close(listens: Iterable[Listen], timeout: timedelta) -> None:
    """Close docker-tls.socket until the host is set up again, and restart dockerd without it.

    dockerd keeps what systemd has passed to it until it ends, and each start with the drop-in would
    open the socket again. systemd removes that file: the hook of a renewal cannot write to /etc.

    ``timeout`` is that of a connection. Raises ConflictingState if the port is not closed, and
    DockerUnavailable if it is, but dockerd does not start again.
    """
    drop_in = systemd.UNITS / units.DROP_IN
    systemd.run(_REMOVAL, {"Type": "oneshot"}, ("rm", "--force", str(drop_in)))
    systemd.reload()
    CloseSocket().apply()
    failure = _restart()
    for listen in listens:
        for endpoint in listen.endpoints:
            try:
                probe.connect(endpoint, timeout)
            except DockerUnavailable:
                continue
            raise ConflictingState(f"{endpoint.authority} still accepts connections")
    if failure:
        raise DockerUnavailable(failure)


def _restart() -> str:
    """Restart dockerd; return why it does not start again, "" if it does."""
    try:
        systemd.restart(units.SERVICE)
    except ConflictingState as error:
        return error.message
    return ""
