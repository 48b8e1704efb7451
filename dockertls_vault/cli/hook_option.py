"""The value of ``--hook``: a command as a shell would split it, or ``none``, or ``default``."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from dockertls_vault.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dockertls_vault.credential.hooks import Command

NONE = "none"
DEFAULT = "default"
_LARGEST = 1 << 16  # bytes
_SCRIPT = "write a script, and give its path"
_QUOTED = re.compile(r"'[^']*'|\\.", re.DOTALL)
_DOUBLE_QUOTED = re.compile(r'"[^"]*"', re.DOTALL)
_EXPANDED = re.compile(r"[$`]")
_OPERATORS = re.compile(r"[;|&<>()*?~\n]")


def parse_hooks(texts: Sequence[str], path: str | None) -> tuple[Command, ...]:
    """Return the commands that ``texts`` name; a single ``none`` is for no hook.

    A program without a slash is looked up on ``path`` now, because the PATH of a timer may differ.
    Raises InvalidInput if it cannot be run, or if the command needs a shell.
    """
    if list(texts) == [NONE]:
        return ()
    _refuse_unkept(texts)
    return tuple(_parse(text, path) for text in texts)


def _refuse_unkept(texts: Sequence[str]) -> None:
    """Refuse what request.json cannot store."""
    try:
        size = sum(len(text.encode()) for text in texts)
    except UnicodeEncodeError:
        raise InvalidInput("--hook: a command is not valid UTF-8", hint=_SCRIPT) from None
    if size > _LARGEST:
        raise InvalidInput("--hook: the commands are longer than 64 KiB", hint=_SCRIPT)


def _parse(text: str, path: str | None) -> Command:
    unquoted = _QUOTED.sub("", text)
    needing = _EXPANDED.search(unquoted) or _OPERATORS.search(_DOUBLE_QUOTED.sub("", unquoted))
    if needing is not None:
        raise InvalidInput(
            f"--hook: {text!r} is not run by a shell, so {needing[0]!r} has no special meaning",
            hint=f"quote it, or use a shell: --hook {shlex.quote(shlex.join(['sh', '-c', text]))}",
        )
    try:
        program, *arguments = shlex.split(text)
    except ValueError as error:  # also if it is empty
        reason = str(error) if text.strip() else "it is empty"
        raise InvalidInput(
            f"--hook: invalid command {text!r}: {reason}", hint=f"--hook {NONE} is for no hook"
        ) from None
    return (_found(program, path), *arguments)


def _found(program: str, path: str | None) -> str:
    if "/" in program and not Path(program).is_absolute():
        raise InvalidInput(f"--hook: {program} is relative", hint="use an absolute path")
    found = shutil.which(program, path=path)
    if found is None:
        raise InvalidInput(
            f"--hook: no executable {program!r}" + ("" if "/" in program else " in PATH"),
            hint="use an absolute path",
        )
    return found
