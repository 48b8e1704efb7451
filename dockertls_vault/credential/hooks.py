"""Run the commands that follow a swap, and record whether they have succeeded.

A daemon reads its certificate only at startup, so a new one needs a restart: such commands are
hooks. They are pending until all have succeeded for the generation in use (pending.py). So the next
run makes up for a hook that failed and for a run that was killed before its hooks, and a rollback
runs them, too.

A hook has the permissions of the user who owns the credential's directory, and none of the secrets
in our environment.
"""

from __future__ import annotations

import json
import logging
import os
import pwd
import shlex
import signal
import subprocess
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dockertls_vault import stop
from dockertls_vault.duration import format_duration, read_time
from dockertls_vault.errors import HookFailed
from dockertls_vault.files import descriptors, fsuid

from . import pending
from .pending import LastRun

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime, timedelta

logger = logging.getLogger(__name__)

_POLL = 0.02  # seconds
_GRACE = 5.0  # seconds between SIGTERM and SIGKILL
_WRITE_TO_TERMINAL = os.O_WRONLY | os.O_NOCTTY | os.O_CLOEXEC

Command = tuple[str, ...]


@dataclass(frozen=True)
class Failure:
    """The hook that failed for a generation: its ``command``, why, and when, in UTC."""

    generation: str
    command: Command
    reason: str
    at: datetime


@dataclass(frozen=True)
class State:
    """The generation for which the hooks last ran to the end, and what failed since then.

    ``serving_until`` is when the certificate of that generation expires, in UTC: what the hooks
    restart serves it until they run again.
    """

    completed: str | None = None
    serving_until: datetime | None = None
    failure: Failure | None = None

    @property
    def last_run(self) -> LastRun:
        """The last run, which decides whether hooks are pending."""
        return LastRun(self.completed, self.serving_until)


def read(private: int) -> State:
    """Return the state that is recorded in the open directory ``private``; raises OSError.

    A corrupt file counts as none, so that the hooks run once more.
    """
    try:
        return _from_json(pending.load(private))
    except (FileNotFoundError, ValueError, TypeError, KeyError, RecursionError):
        return State()


def to_bytes(state: State) -> bytes:
    """Return the content of the file that records ``state``."""
    return (json.dumps(_to_json(state), indent=2) + "\n").encode()


def run(
    commands: Sequence[Command], environment: Mapping[str, str], timeout: timedelta, uid: int
) -> None:
    """Run the hooks one after the other, each with ``timeout``, as the user ``uid``.

    Their output goes to stderr. Raises HookFailed for the first that fails, with its ``command``
    and ``reason``; those after it do not run.
    """
    for command in commands:
        logger.info("running the hook %s", shlex.join(command))
        _run(command, environment, timeout, uid)


def failed(command: Command, reason: str) -> HookFailed:
    """Return the error for a hook that failed for ``reason``."""
    message = f"the hook {shlex.join(command)} failed: {reason}"
    return HookFailed(message, command=command, reason=reason)


def _run(command: Command, environment: Mapping[str, str], timeout: timedelta, uid: int) -> None:
    """Run one hook in a new session, so that it can be killed with its children."""
    stop.check()
    try:
        with _output(uid) as output:
            process = subprocess.Popen(
                command,
                env={**environment, **_home(uid)},
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                **_identity(uid),
            )
    except OSError as error:
        raise failed(command, error.strerror or str(error)) from None
    try:
        _wait(process, command, timeout)
    finally:
        _end(process)
    if process.returncode < 0:
        raise failed(command, f"killed by {_signal_name(-process.returncode)}")
    if process.returncode > 0:
        raise failed(command, f"exit status {process.returncode}")


@contextmanager
def _output(uid: int) -> Iterator[int]:
    """Yield a descriptor of our stderr to which the user can only write.

    A terminal's is readable, too, so that a hook of another user could read what root types.
    """
    if uid == os.geteuid() or not os.isatty(2):
        yield 2
        return
    with descriptors.opened("/proc/self/fd/2", _WRITE_TO_TERMINAL) as terminal:
        yield terminal


def _signal_name(number: int) -> str:
    """Return the name of a signal; most real-time signals have none."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _wait(process: subprocess.Popen[bytes], command: Command, timeout: timedelta) -> None:
    deadline = time.monotonic() + timeout.total_seconds()
    while process.poll() is None:
        if time.monotonic() > deadline:
            raise failed(command, f"timed out after {format_duration(timeout)}")
        stop.wait(_POLL)


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kill a hook that is still running, with the processes of its session."""
    if process.poll() is not None:
        return
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            process.wait(_GRACE)
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _identity(uid: int) -> dict[str, Any]:
    """Return the arguments with which Popen becomes the user; none if we are that user."""
    if uid == os.geteuid():
        return {}
    user = fsuid.user(uid)
    return {"user": uid, "group": user.gid, "extra_groups": sorted(user.groups)}


def _home(uid: int) -> dict[str, str]:
    """Return the variables that depend on the user; none if this process is that user."""
    if uid == os.geteuid():
        return {}
    with suppress(KeyError):  # not every user has an entry
        entry = pwd.getpwuid(uid)
        return {
            "HOME": entry.pw_dir,
            "USER": entry.pw_name,
            "LOGNAME": entry.pw_name,
            "SHELL": entry.pw_shell,
        }
    return {"HOME": "/", "USER": str(uid), "LOGNAME": str(uid)}


def _to_json(state: State) -> dict[str, Any]:
    failure = state.failure
    return {
        "version": pending.VERSION,
        "completed": state.completed,
        "serving_until": state.serving_until and state.serving_until.isoformat(),
        "failure": failure
        and {
            "generation": failure.generation,
            "command": list(failure.command),
            "reason": failure.reason,
            "at": failure.at.isoformat(),
        },
    }


def _from_json(kept: Any) -> State:
    last, failure = pending.from_json(kept), kept["failure"]
    return State(
        last.completed,
        last.serving_until,
        None
        if failure is None
        else Failure(
            generation=_text(failure["generation"]),
            command=tuple(map(_text, failure["command"])),
            reason=_text(failure["reason"]),
            at=read_time(failure["at"]),
        ),
    )


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(value)
    return value
