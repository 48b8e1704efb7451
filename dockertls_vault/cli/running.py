"""How hooks run from the command line: with which environment, and which for every credential."""

from __future__ import annotations

import math
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from dockertls_vault.daemon import pickup
from dockertls_vault.daemon.pickup import Pickup
from dockertls_vault.errors import InvalidSetting
from dockertls_vault.files import guarded, reading

from . import program
from .directories import hooks_directories, state_directory

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from dockertls_vault.credential.hooks import Command
    from dockertls_vault.credential.settle import Running
    from dockertls_vault.settings.schema import Settings

# All that a hook gets of our environment: none of it is a secret.
_KEPT = ("PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "TZ", "TERM", "XDG_RUNTIME_DIR")
_KEPT_PREFIXES = ("LC_",)
_RESTART = ("daemon", "restart", "--if-needed")
_USED = guarded.Use(
    "runs after every renewal", "hooks must belong to root or to the user who runs this"
)


def running(settings: Settings, environ: Mapping[str, str]) -> Running:
    """Return how hooks run; raises InvalidSetting for one that other users can write."""
    from dockertls_vault.credential.settle import Running

    kept = {
        name: value
        for name, value in environ.items()
        if name in _KEPT or name.startswith(_KEPT_PREFIXES)
    }
    common = tuple(
        command for directory in hooks_directories(environ) for command in _executables(directory)
    )
    if settings.state_dir is not None:  # our own hook finds the same set-up there
        kept["DOCKERTLS_STATE_DIR"] = str(settings.state_dir)
    # In whole seconds; our own hook ends before it is killed.
    kept["DOCKERTLS_HOOK_TIMEOUT"] = str(math.ceil(settings.hook_timeout.total_seconds()))
    default = partial(_default, str(state_directory(settings, environ)))
    return Running(kept, settings.hook_timeout, common, default)


def _default(state: str, directory: Path) -> tuple[Command, ...]:
    """Return the hooks that the daemon of a credential needs, by the set-up of this host."""
    if pickup.of(state, str(directory)) is Pickup.RESTART:
        return ((*program.command(), *_RESTART),)
    return ()


def _executables(directory: Path) -> Iterator[Command]:
    try:
        paths = reading.executables(str(directory))
    except OSError as error:
        raise InvalidSetting(f"cannot list the hooks in {directory}: {error.strerror}") from None
    for path in paths:
        try:
            guarded.check(Path(path), _USED)
        except OSError as error:
            raise InvalidSetting(f"cannot use the hook {path}: {error.strerror}") from None
        yield (path,)
