"""``dockertls-vault daemon restart``."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from dockertls_vault.errors import CannotWrite
from dockertls_vault.settings import parsers
from dockertls_vault.settings.schema import Settings

from . import render
from .directories import docker_cli_directory, state_directory
from .help import examples
from .options import with_preferences, with_settings
from .preferences import Preferences

if TYPE_CHECKING:
    from dockertls_vault.restart_daemon import Restarted

EXAMPLES = examples(
    "sudo dockertls-vault daemon restart", "sudo dockertls-vault daemon restart -o json"
)


@with_preferences("output", "quiet")
@with_settings(others=("state_dir", "hook_timeout"))
def restart(
    settings: Settings,
    preferences: Preferences,
    *,
    if_needed: Annotated[
        bool,
        typer.Option(
            "--if-needed",
            help="Only check a dockerd that this command has restarted since its files changed.",
        ),
    ] = False,
) -> None:
    """Restart dockerd, and prove it serves the certificate on disk.

    With `--if-needed`, this is the default hook of a server that `daemon configure` set up. If
    dockerd is not running, it is not started. It is checked at each address at which it listens, as
    `check` does, also with the client certificate in DOCKER_CERT_PATH or ~/.docker if its CA is the
    daemon's. As a hook, all of it takes at most nine tenths of DOCKERTLS_HOOK_TIMEOUT.

    Without `--if-needed`, `daemon clients` counts anew from this restart on: a trial without an old
    CA begins again.
    """
    from dockertls_vault.host import systemd
    from dockertls_vault.restart_daemon import restart as restart_dockerd

    if os.geteuid() != 0:
        raise CannotWrite(
            "only root can restart dockerd",
            hint="run it with `sudo`; for rootless Docker, run `systemctl --user restart docker`",
        )
    systemd.require_running(
        instead="restart dockerd as this host starts it, then run `dockertls-vault check`"
    )
    done = restart_dockerd(
        state_directory(settings, os.environ),
        parsers.path(str(docker_cli_directory(os.environ))),
        lambda: datetime.now(UTC),
        settings.hook_timeout,
        if_needed=if_needed,
    )
    render.show("daemon-restart", done, preferences, parts=[_summary(done)])


def _summary(done: Restarted) -> str:
    if not done.proofs:
        return "dockerd is not running: nothing was restarted"
    what = "was restarted" if done.restarted else "already runs with these files"
    where = ", ".join(dict.fromkeys(proof.listen for proof in done.proofs))
    return f"dockerd {what}, and passed its check at {where}"
