"""``dockertls-vault daemon …``: dockerd on this host; each command is in a module of its own."""

from __future__ import annotations

from . import daemon_clients, daemon_configure, daemon_doctor, daemon_restart
from .help import Command, command_group

app = command_group("Set up dockerd on this host, and diagnose it.")

app.command(cls=Command, epilog=daemon_configure.EXAMPLES)(daemon_configure.configure)
app.command(cls=Command, epilog=daemon_doctor.EXAMPLES)(daemon_doctor.doctor)
app.command(cls=Command, epilog=daemon_restart.EXAMPLES)(daemon_restart.restart)
app.command(cls=Command, epilog=daemon_clients.EXAMPLES)(daemon_clients.clients)
