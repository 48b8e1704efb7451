"""Where files of the user and of the system are, by the XDG base directory specification; pure.

Paths are strings, since `needs-renewal`, which imports this at each tick of a timer, does without
pathlib.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

NAME = "dockertls-vault"
SYSTEM = f"/etc/{NAME}"
SYSTEM_FILE = f"{SYSTEM}/config.toml"
SYSTEM_HOOKS = f"{SYSTEM}/hooks.d"
SYSTEM_STATE = f"/var/lib/{NAME}"


def config_files(environ: Mapping[str, str]) -> tuple[str, ...]:
    """Return the configuration files to read if they exist, in order of precedence."""
    home = _base(environ, "XDG_CONFIG_HOME") or (
        f"{environ['HOME']}/.config" if environ.get("HOME") else None
    )
    return (f"{home}/{NAME}/config.toml", SYSTEM_FILE) if home else (SYSTEM_FILE,)


def state_directory(environ: Mapping[str, str], uid: int) -> str:
    """Return the state directory of a user, unless a setting names another one.

    It begins with ``~`` if the user has no home directory.
    """
    if uid == 0:
        return SYSTEM_STATE
    home = _base(environ, "XDG_STATE_HOME") or os.path.expanduser("~/.local/state")  # noqa: PTH111 - see above
    return f"{home}/{NAME}"


def hooks_directories(environ: Mapping[str, str], uid: int) -> tuple[str, ...]:
    """Return the directories of executables that run after every swap, the system's first."""
    if uid == 0:
        return (SYSTEM_HOOKS,)
    home = _base(environ, "XDG_CONFIG_HOME") or os.path.expanduser("~/.config")  # noqa: PTH111 - see above
    return (SYSTEM_HOOKS, f"{home}/{NAME}/hooks.d")


def _base(environ: Mapping[str, str], name: str) -> str | None:
    """Return a base directory; by the specification one that is relative is ignored."""
    path = environ.get(name, "")
    return path if path.startswith("/") else None
