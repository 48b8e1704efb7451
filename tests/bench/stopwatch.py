"""Runs the program and records when it imports, waits for Vault and works on files.

``python stopwatch.py NOTES ARGUMENT…`` in place of ``dockertls-vault ARGUMENT…``. Each line of
NOTES is a phase with its start and end by time.perf_counter_ns(), a clock that all processes share
on Linux. Only Python's own functions are watched, so that the program may change.
"""

# No future import, and only modules that Python has loaded already: others would be missing from
# the imports of the program.
import _thread
import builtins
import os
import sys
import time

# What typing has at this name, which mypy knows, too.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, NoReturn

_FILES = ("fchmod", "fsync", "link", "mkdir", "open", "rename", "symlink", "unlink", "write")
_notes = [("python", 0, time.perf_counter_ns())]
_importing: "set[int]" = set()  # threads
_import = builtins.__import__


def main() -> None:
    """Install the watches, and run the program."""
    notes = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    _note_exit(notes)
    builtins.__import__ = _watched_import
    for name in _FILES:
        setattr(os, name, _watched("files", getattr(os, name)))
    sys.argv = ["dockertls-vault", *sys.argv[2:]]
    from dockertls_vault.__main__ import main as program

    program()


def _note_exit(notes: int) -> None:
    """Write the notes when the program exits, which is by os._exit()."""
    write, leave = os.write, os._exit

    def noted_exit(status: int) -> "NoReturn":
        _notes.append(("end", time.perf_counter_ns(), 0))
        lines = (f"{phase} {begun} {ended}\n" for phase, begun, ended in _notes)
        write(notes, "".join(lines).encode())
        leave(status)

    os._exit = noted_exit


def _watched(phase: str, call: "Callable[..., Any]") -> "Callable[..., Any]":
    def watched(*arguments: "Any", **named: "Any") -> "Any":
        begun = time.perf_counter_ns()
        try:
            return call(*arguments, **named)
        finally:
            _notes.append((phase, begun, time.perf_counter_ns()))

    return watched


def _watched_import(*arguments: "Any", **named: "Any") -> "Any":
    """Record only the outermost import, which includes nested ones."""
    thread = _thread.get_ident()
    if thread in _importing:
        return _import(*arguments, **named)
    _importing.add(thread)
    begun = time.perf_counter_ns()
    try:
        return _import(*arguments, **named)
    finally:
        _importing.remove(thread)
        ended = time.perf_counter_ns()
        if ended - begun > 20_000:  # less is a module that was there
            _notes.append(("imports", begun, ended))
            _watch_requests()


def _watch_requests() -> None:
    client = sys.modules.get("http.client")
    connection = getattr(client, "HTTPConnection", None)
    if connection is None or "begun" in vars(connection):
        return
    connection.begun = 0
    put, answer = connection.putrequest, connection.getresponse

    def putrequest(self: "Any", *arguments: "Any", **named: "Any") -> "Any":
        self.begun = time.perf_counter_ns()
        return put(self, *arguments, **named)

    def getresponse(self: "Any", *arguments: "Any", **named: "Any") -> "Any":
        try:
            return answer(self, *arguments, **named)
        finally:
            _notes.append(("vault", self.begun, time.perf_counter_ns()))

    connection.putrequest, connection.getresponse = putrequest, getresponse


if __name__ == "__main__":
    main()
