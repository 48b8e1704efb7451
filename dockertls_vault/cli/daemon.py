"""``dockertls-vault daemon …``: dockerd on this host; each command is in a module of its own."""

from __future__ import annotations

from . import daemon_configure
from .help import Command, command_group

app = command_group("Set up dockerd on this host.")

app.callback()(lambda: None)  # a group, even of one command
app.command(cls=Command, epilog=daemon_configure.EXAMPLES)(daemon_configure.configure)
