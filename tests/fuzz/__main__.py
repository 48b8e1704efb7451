"""The long form: ``python -m tests.fuzz [--count N] [--seed S] [--from K] [BORDER…]``.

Prints how often each outcome occurred; exits with 1 if an input led to a bug, which is shown with
the command that reproduces it.
"""

from __future__ import annotations

import argparse
import sys
import warnings
from typing import TYPE_CHECKING

from . import BORDERS
from .border import fuzz

if TYPE_CHECKING:
    from .border import Tally

_SHOWN = 5  # bugs of a border; the first few are the most useful


def main() -> int:
    """Fuzz the named borders, or all."""
    parser = argparse.ArgumentParser(prog="tests.fuzz", description=__doc__)
    parser.add_argument("--count", type=int, default=100_000, help="inputs for each border")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--from", type=int, default=0, dest="first", help="the first input")
    parser.add_argument("borders", nargs="*", choices=[*BORDERS, []], metavar="BORDER")
    given = parser.parse_args()
    warnings.simplefilter("ignore")  # as the program itself
    found = False
    for name in given.borders or BORDERS:
        numbers = range(given.first, given.first + given.count)
        tally = fuzz(BORDERS[name], numbers, given.seed)
        _report(name, tally, given.seed)
        found = found or bool(tally.bugs)
    return int(found)


def _report(name: str, tally: Tally, seed: int) -> None:
    seconds, slowest = tally.slowest
    lines = [
        f"{name}: {tally.outcomes.total()} inputs, the slowest {seconds:.2f} s (no. {slowest})"
    ]
    lines += [f"  {count:>8} {outcome}" for outcome, count in tally.outcomes.most_common()]
    for number, traceback in list(tally.bugs.items())[:_SHOWN]:
        lines += [f"python -m tests.fuzz --seed {seed} --from {number} --count 1 {name}", traceback]
    text = "\n".join([*lines, ""])
    sys.stdout.buffer.write(text.encode(errors="backslashreplace"))
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
