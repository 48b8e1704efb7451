"""Kill renewals at random instants while a reader reads, and count what the reader sees."""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.credentials import NAMES, put

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.connection import Connection
    from pathlib import Path


@dataclass
class Met:
    """What a reader saw: mixed sets, missing files, incomplete files.

    ``late`` counts reads that took longer than three renewals, after which the opened
    generation is gone.
    """

    reads: int = 0
    mixed: int = 0
    broken: int = 0
    late: int = 0


@dataclass(frozen=True)
class Result:
    """The number of renewals started and killed, and what each reader saw."""

    renewals: int
    killed: int
    by_name: Met
    by_directory: Met


def run(out: Path, kills: int, seed: int) -> Result:
    """Renew in ``out``, which does not exist yet, until ``kills`` renewals were killed."""
    put(out, 0)
    chance = random.Random(seed)  # noqa: S311 - so that a run can be repeated
    readers = [_start(_read_by_name, out), _start(_read_by_directory, out)]
    number = killed = 0
    longest = 0.0
    while killed < kills:
        number += 1
        # Some finish, which shows how long a renewal takes.
        whole = number % 4 == 1
        took, was_killed = _renew(out, number, None if whole else chance.uniform(0, longest))
        longest = max(longest, took) if whole else longest
        killed += was_killed
    by_name, by_directory = (_stop(*reader) for reader in readers)
    put(out, number + 1)
    return Result(number, killed, by_name, by_directory)


def _renew(out: Path, number: int, after: float | None) -> tuple[float, bool]:
    """Install a set in a process killed ``after`` s; return its time and whether it was killed."""
    start = time.monotonic()
    process = multiprocessing.get_context("fork").Process(target=put, args=(out, number))
    process.start()
    process.join(after)
    if after is not None and process.is_alive() and process.pid is not None:
        os.kill(process.pid, signal.SIGKILL)
    process.join()
    return time.monotonic() - start, process.exitcode == -signal.SIGKILL


def _start(
    read: Callable[[Path, Met], None], out: Path
) -> tuple[multiprocessing.context.ForkProcess, Connection]:
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("fork").Process(target=_go_on, args=(read, out, theirs))
    process.start()
    return process, ours


def _stop(process: multiprocessing.context.ForkProcess, connection: Connection) -> Met:
    connection.send(None)
    met: Met = connection.recv()
    process.join()
    return met


def _go_on(read: Callable[[Path, Met], None], out: Path, connection: Connection) -> None:
    """Read until told to stop; answer with what was seen."""
    met = Met()
    while not connection.poll():
        met.reads += 1
        read(out, met)
    connection.send(met)


def _read_by_name(out: Path, met: Met) -> None:
    """Open the three public names, one after the other."""
    try:
        _judge([(out / name).read_text() for name in NAMES], met)
    except FileNotFoundError:
        met.broken += 1


def _read_by_directory(out: Path, met: Met) -> None:
    """Open the directory behind the link once, and the files in it."""
    try:
        directory = os.open(out / ".dockertls" / "current", os.O_RDONLY | os.O_DIRECTORY)
    except FileNotFoundError:
        met.broken += 1
        return
    try:
        texts = []
        for name in NAMES:
            with os.fdopen(os.open(name, os.O_RDONLY, dir_fd=directory)) as file:
                texts.append(file.read())
        _judge(texts, met)
    except FileNotFoundError:
        met.late += 1
    finally:
        os.close(directory)


def _judge(texts: list[str], met: Met) -> None:
    """Classify a read: each file contains its name and the number of its set."""
    names, numbers = zip(*(text.rpartition(" ")[::2] for text in texts), strict=True)
    met.broken += names != NAMES
    met.mixed += len(set(numbers)) != 1


def problems(result: Result) -> list[str]:
    """Return what no reader may see: an incomplete or missing file, or a mixed set."""
    found = []
    for how, met in (("name", result.by_name), ("directory", result.by_directory)):
        if met.broken:
            found.append(f"by {how}, {met.broken} reads met a file that was not there or not whole")
    if result.by_directory.mixed:
        found.append(f"by directory, {result.by_directory.mixed} reads met two sets")
    return found
