"""Notify the supervisor of a service of its state, with systemd's protocol: sd_notify(3)."""

from __future__ import annotations

import os
import re
import socket
from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_ABSTRACT = "@"
# The interval of a watchdog: positive, and within the range of a timedelta.
_MICROSECONDS = re.compile(r"[1-9][0-9]{0,17}")
_PATIENCE = 1.0  # seconds, for a supervisor that is behind with reading


class Supervisor:
    """The supervisor of this process, if there is one.

    ``interval`` is the longest time between two calls of ``keep_alive``, None if none is expected.
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._address = environ.get("NOTIFY_SOCKET")
        self.interval = _interval(environ)

    def tell(self, *states: str) -> None:
        """Send states such as ``READY=1``; errors are ignored, since the supervisor may be gone."""
        if not self._address:
            return
        address = self._address
        if address.startswith(_ABSTRACT):
            address = f"\0{address[1:]}"
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.settimeout(_PATIENCE)
            sender.sendto("\n".join(states).encode(), address)

    def keep_alive(self) -> None:
        """Report that this process does not hang, if the supervisor expects that."""
        if self.interval is not None:
            self.tell("WATCHDOG=1")


def _interval(environ: Mapping[str, str]) -> timedelta | None:
    """Return half of WATCHDOG_USEC, as sd_watchdog_enabled(3) recommends; it may be a parent's."""
    microseconds, us = environ.get("WATCHDOG_USEC", ""), str(os.getpid())
    if not _MICROSECONDS.fullmatch(microseconds) or environ.get("WATCHDOG_PID", us) != us:
        return None
    return timedelta(microseconds=int(microseconds)) / 2
