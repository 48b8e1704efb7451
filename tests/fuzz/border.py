"""Fuzzing a border: inputs generated from a seed, and the program's outcome for each.

Every input must end as a result or as one of our errors; anything else is a bug, with exit status
70. An input's number and the seed determine it, so these two reproduce a bug.
"""

from __future__ import annotations

import io
import json
import time
import traceback
from collections import Counter
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING, Generic, TypeVar

from dockertls_vault.cli import envelope, speech
from dockertls_vault.cli.preferences import Output, Preferences
from dockertls_vault.errors import DockerTLSError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

T = TypeVar("T")


@dataclass(frozen=True)
class Border(Generic[T]):
    """``draw`` generates an input from a seeded random, ``cross`` processes it.

    ``cross`` returns what a command would print, or raises.
    """

    name: str
    draw: Callable[[Random], T]
    cross: Callable[[T], object]


@dataclass
class Tally:
    """How often each outcome occurred: ``result``, or an error's code; and the bugs by number.

    ``slowest`` is the time of the slowest input in seconds, and its number.
    """

    outcomes: Counter[str] = field(default_factory=Counter)
    bugs: dict[int, str] = field(default_factory=dict)
    slowest: tuple[float, int] = (0.0, 0)


def fuzz(border: Border[T], numbers: Iterable[int], seed: int) -> Tally:
    """Process the inputs with these numbers."""
    tally = Tally()
    for number in numbers:
        drawn = border.draw(Random(f"{seed}/{border.name}/{number}"))  # noqa: S311 - no secret
        started = time.monotonic()
        try:
            outcome = _outcome(border, drawn)
        except Exception:  # noqa: BLE001 - what the fuzz is looking for
            outcome = "BUG"
            tally.bugs[number] = traceback.format_exc()
        tally.slowest = max(tally.slowest, (time.monotonic() - started, number))
        tally.outcomes[outcome] += 1
    return tally


def _outcome(border: Border[T], drawn: T) -> str:
    """Return the outcome of an input, whose output must be printable everywhere."""
    try:
        result = border.cross(drawn)
    except DockerTLSError as error:
        _print_failure(error)
        return error.code
    json.dumps(envelope.to_json(result))
    return "result"


def _print_failure(error: DockerTLSError) -> None:
    for output in Output:
        # As for a terminal or a pipe: strict UTF-8.
        stdout, stderr = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8") for _ in range(2))
        with redirect_stdout(stdout), redirect_stderr(stderr):
            speech.failure(error, Preferences(output))
