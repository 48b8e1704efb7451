"""A dockerd that is examined: what it was started with, and how the next one is started."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from . import configuration

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dockertls_vault.host.processes import Process

    from .configuration import Configuration
    from .supervision import Supervision


@dataclass(frozen=True)
class Subject:
    """A process of dockerd; it was ``started`` with one configuration, and the next is ``planned``.

    ``supervision`` is None if systemd does not run it.
    """

    process: Process
    supervision: Supervision | None
    started: Configuration
    planned: Configuration

    @property
    def streams(self) -> tuple[str, ...]:
        """What the sockets listen on that systemd hands over, as in ListenStream=."""
        return self.supervision.streams if self.supervision else ()

    @classmethod
    def of(cls, process: Process, supervision: Supervision | None) -> Self:
        """Return a process with how it was started, and how systemd will start the next one."""
        if supervision and supervision.pid != process.pid:
            supervision = None
        started = configuration.read(process.arguments[1:], process.environ)
        planned = next_start(supervision, process.environ) or started
        return cls(process, supervision, started, planned)


def next_start(
    supervision: Supervision | None, environ: Mapping[str, str] | None
) -> Configuration | None:
    """Return the configuration of the next start, None if it is not known."""
    if supervision is None or supervision.command is None:
        return None
    return configuration.read(supervision.command[1:], environ)
