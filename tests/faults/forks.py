"""Run the command line in a process forked from one that has imported the program already.

So a run takes a tenth of the time that an interpreter takes to start. It can be traced from its
first instruction, and killed at a request.
"""

from __future__ import annotations

import contextlib
import ctypes
import multiprocessing
import os
import subprocess
import sys
import traceback
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from multiprocessing.connection import Connection
    from pathlib import Path

LIMIT = 120.0  # seconds for one run; far more than it takes
# prctl(2): any process of this user may trace this one, if Yama allows only parents to.
_PR_SET_PTRACER, _ANYBODY = 0x59616D61, -1

_forks = multiprocessing.get_context("forkserver")
_forks.set_forkserver_preload(
    [
        "tests.faults.forks",
        "dockertls_vault.cli.main",
        "dockertls_vault.cli.renew",
        "dockertls_vault.cli.renewed",
        "dockertls_vault.host.identity",
        "dockertls_vault.renew_all",
        "dockertls_vault.vault.session",
    ]
)


def run(
    arguments: Sequence[str],
    environ: Mapping[str, str],
    output: Path,
    *,
    strace: Sequence[str] = (),
    started: Callable[[int], object] = lambda _: None,
) -> int:
    """Run the program; return its exit status, or minus the signal that killed it.

    ``output`` gets stdout and, with the suffix ``.err``, stderr. ``strace`` is the command that
    traces it; ``started`` is called with its process id before it begins.
    """
    theirs, ours = _forks.Pipe(duplex=False)
    process = _forks.Process(
        target=_begin, args=(list(arguments), dict(environ), str(output), theirs)
    )
    process.start()
    assert process.pid is not None
    theirs.close()
    try:
        started(process.pid)
        with _traced(process.pid, strace):
            ours.send(None)
            process.join(LIMIT)
            assert process.exitcode is not None, "the run hangs"
    finally:
        process.kill()
        process.join()
        ours.close()
    status = process.exitcode
    process.close()
    return status


@contextlib.contextmanager
def _traced(pid: int, command: Sequence[str]) -> Iterator[None]:
    if not command:
        yield
        return
    with subprocess.Popen([*command, "-p", str(pid)], stderr=subprocess.PIPE, text=True) as tracer:
        assert tracer.stderr is not None
        told = tracer.stderr.readline()
        assert "attached" in told, told
        yield
        tracer.communicate(timeout=LIMIT)


def _begin(
    arguments: list[str], environ: dict[str, str], output: str, ready: Connection
) -> NoReturn:
    """Run the program once it is traced, as ``main.main`` does."""
    status = 70
    try:
        ctypes.CDLL(None).prctl(_PR_SET_PTRACER, ctypes.c_ulong(_ANYBODY))
        os.environ.clear()
        os.environ.update(environ)
        for name, descriptor in ((output, 1), (f"{output}.err", 2)):
            opened = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
            os.dup2(opened, descriptor)
        from dockertls_vault.cli import main

        sys.dont_write_bytecode = True  # so that the calls are always the same
        ready.recv()
        status = main.run(arguments)
        sys.stdout.flush()
    except BaseException:  # noqa: BLE001 - nothing of multiprocessing may run here
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(status)
