"""Kill renewals at random instants while somebody reads, and count what the reader meets."""

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
    """What a reader met: sets of two renewals, files that were not there or not whole.

    ``late`` counts the reads during which three renewals went by, so that what was opened is
    no longer kept.
    """

    reads: int = 0
    mixed: int = 0
    broken: int = 0
    late: int = 0


@dataclass(frozen=True)
class Result:
    """How many renewals were begun and how many of these killed, and what each reader met."""

    renewals: int
    killed: int
    by_name: Met
    by_directory: Met


def run(out: Path, kills: int, seed: int) -> Result:
    """Renew in ``out``, a directory that is not there yet, until ``kills`` renewals were killed."""
    put(out, 0)
    chance = random.Random(seed)  # noqa: S311 - so that a run can be repeated
    readers = [_start(_read_by_name, out), _start(_read_by_directory, out)]
    number = killed = 0
    longest = 0.0
    while killed < kills:
        number += 1
        # Now and then one gets through, and shows how long that takes.
        whole = number % 4 == 1
        took, was_killed = _renew(out, number, None if whole else chance.uniform(0, longest))
        longest = max(longest, took) if whole else longest
        killed += was_killed
    by_name, by_directory = (_stop(*reader) for reader in readers)
    put(out, number + 1)
    return Result(number, killed, by_name, by_directory)


def _renew(out: Path, number: int, after: float | None) -> tuple[float, bool]:
    """Install set ``number`` in a process, killed ``after`` seconds; say how long, and if so."""
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
    """Read until a word comes; answer with what was met."""
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
    """Each file says its name and the number of its set."""
    names, numbers = zip(*(text.rpartition(" ")[::2] for text in texts), strict=True)
    met.broken += names != NAMES
    met.mixed += len(set(numbers)) != 1


def problems(result: Result) -> list[str]:
    """Return what no reader may meet: half a file, none, or two sets behind the link."""
    found = []
    for how, met in (("name", result.by_name), ("directory", result.by_directory)):
        if met.broken:
            found.append(f"by {how}, {met.broken} reads met a file that was not there or not whole")
    if result.by_directory.mixed:
        found.append(f"by directory, {result.by_directory.mixed} reads met two sets")
    return found
