"""`needs-renewal` without the rest of the program, which takes ten times as long to import.

The console script tries this first, and leaves other options and all errors to the program, which
reports them.
"""

from __future__ import annotations

import os
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from dockertls_vault.files import reading
from dockertls_vault.needs_renewal import Host, Need, of_credential, of_host, overall
from dockertls_vault.settings import places

from .text import line

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dockertls_vault.needs_renewal import Answer

COMMAND = "needs-renewal"
_QUIET = ("-q", "--quiet")
_SETTING = b"state_dir"


def run(arguments: Sequence[str], environ: Mapping[str, str]) -> int | None:
    """Return the exit status for the arguments of `needs-renewal`, None to run the program."""
    try:
        directories = [each for each in arguments if each not in _QUIET]
        if not all(map(_is_plain, directories)):
            return None
        answers = find(directories, environ)
        if answers is None or any(answer.need is Need.ERROR for answer in answers):
            return None
        if len(directories) == len(arguments) and sys.stderr is not None:
            sys.stderr.write("".join(map(line, words(answers))))
            sys.stderr.flush()
        return overall(answers)
    except Exception:  # noqa: BLE001 - the program does it again, and shows the traceback
        return None


def find(directories: Sequence[str], environ: Mapping[str, str]) -> tuple[Answer, ...] | None:
    """Return the answer for each directory, or for all credentials that the host knows.

    None if a configuration file has to be parsed to know the state directory.
    """
    state = state_directory(environ)
    return None if state is None else answer(directories, state, environ)


def answer(
    directories: Sequence[str], state: str, environ: Mapping[str, str]
) -> tuple[Answer, ...]:
    """Return the answer for each directory, or for all credentials listed in ``state``."""
    now = datetime.now(UTC)
    host = Host(state, places.hooks_directories(environ, os.geteuid()))
    if directories:
        return tuple(of_credential(directory, host, now) for directory in directories)
    return of_host(host, now)


def state_directory(environ: Mapping[str, str]) -> str | None:
    """Return the state directory of the host, None if a configuration file may name it."""
    given = environ.get("DOCKERTLS_STATE_DIR")
    if not given and any(map(_may_say, places.config_files(environ))):
        return None
    found = given or places.state_directory(environ, os.geteuid())
    return found if _is_plain(found) else None


def words(answers: Sequence[Answer]) -> list[str]:
    """Return the text for people: why a renewal is needed, or when one is due."""
    if not answers:
        return []
    if overall(answers) is not Need.NOT_DUE:
        return [f"{each.about}: {each.reason}" for each in answers if each.need is not Need.NOT_DUE]
    first = min(answers, key=lambda answer: answer.due or datetime.max.replace(tzinfo=UTC))
    text = f"{first.about}: {first.reason}"
    return [text if len(answers) == 1 else f"none of {len(answers)} is due; the first is {text}"]


def _may_say(file: str) -> bool:
    """Tell whether a configuration file may have the setting; an unreadable one may."""
    try:
        return _SETTING in reading.read(file)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except (OSError, ValueError):
        return True


def _is_plain(argument: str) -> bool:
    """Tell whether it is a path without ``~``, and not an option."""
    return bool(argument) and argument[0] not in "-~"
