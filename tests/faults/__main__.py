"""What holds when runs are killed and raced, and what policies grant, counted.

Usage: python -m tests.faults [--kills N] [--races N] [--signals N] [--seed N] [PART]…
"""

from __future__ import annotations

import argparse
import os
import secrets
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from tests.harness.images import DEBIANS
from tests.harness.openbao import running_openbao
from tests.vault.operator import Operator

from . import kills, policies, races, reader, renewals, set_ups, signals
from .hosts import KINDS, ROOT_ONLY
from .scenarios import BEFORE, WHO

if TYPE_CHECKING:
    from collections.abc import Iterator


def main() -> int:
    """Print the counts; exit with 1 if anything was wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults")
    parser.add_argument("parts", nargs="*", help=", ".join(PARTS), choices=[[], *PARTS])
    parser.add_argument("--kills", type=int, default=2000, help="of renewals with a reader")
    parser.add_argument("--races", type=int, default=1000, help="at each place")
    parser.add_argument("--signals", type=int, default=1900, help="at random instants of a run")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(1 << 32))
    options = parser.parse_args()
    wrong = []
    for part in options.parts or PARTS:
        start = time.monotonic()
        wrong += PARTS[part](options)
        _say(f"  ({time.monotonic() - start:.0f} s)")
    _say("\n".join(wrong) or "nothing went wrong")
    return 1 if wrong else 0


def _kills(_options: argparse.Namespace) -> list[str]:
    """Kill at each call, in each scenario that this user can run."""
    counts, wrong = 0, []
    whos = [who for who in WHO if os.geteuid() == 0 or not WHO[who].owner]
    for before in BEFORE:
        for who in whos:
            with _scratch() as scratch:
                count, problems = kills.run(before, who, scratch)
            _say(f"  {count:5} kills: {before}, {who}")
            counts += count
            wrong += problems
    _say(
        f"{counts} kills, at every system call that changes the disk, in "
        f"{len(BEFORE) * len(whos)} scenarios: {len(wrong)} left anything wrong"
    )
    return wrong


def _renewals(_options: argparse.Namespace) -> list[str]:
    """Kill renewals of each kind that this user can run."""
    counts, wrong = 0, []
    kinds = [kind for kind in KINDS if os.geteuid() == 0 or kind not in ROOT_ONLY]
    with _scratch() as scratch, running_openbao(scratch) as server:
        for kind in kinds:
            with _scratch() as root:
                count, problems = renewals.run(kind, server, root)
            _say(f"  {count:5} kills: {kind}")
            counts += count
            wrong += problems
    _say(
        f"{counts} kills of `renew`, at system calls, at requests and in hooks, in "
        f"{len(kinds)} scenarios: {len(wrong)} left anything wrong"
    )
    return wrong


def _daemon(_options: argparse.Namespace) -> list[str]:
    """Kill the set-up of dockerd, in each of its kinds, on each host."""
    if os.geteuid() != 0:
        _say("no set-ups of dockerd: only root can make a Debian host")
        return []
    counts, wrong = 0, []
    for turn, debian in enumerate(DEBIANS):
        with _scratch() as scratch, set_ups.booted(debian, scratch) as host:
            for kind in set_ups.KINDS:
                with _scratch() as root:
                    # What follows a kill on one host is another thing on the other.
                    count, problems = set_ups.run(kind, host, root, turn=turn)
                _say(f"  {count:5} kills: {debian.suite}, {kind}")
                counts += count
                wrong += [f"{debian.suite}, {problem}" for problem in problems]
    _say(
        f"{counts} kills of `daemon configure`, at system calls and before each child, in "
        f"{len(set_ups.KINDS)} scenarios: {len(wrong)} left anything wrong"
    )
    return wrong


def _reader(options: argparse.Namespace) -> list[str]:
    """Kill renewals at random while two readers read."""
    with _scratch() as scratch:
        result = reader.run(scratch / "c", options.kills, options.seed)
    _say(f"{result.killed} of {result.renewals} renewals killed at random (seed {options.seed})")
    _say(f"  by the public names: {result.by_name}")
    _say(f"  by the directory behind the link: {result.by_directory}")
    return reader.problems(result)


def _races(options: argparse.Namespace) -> list[str]:
    """Install for a user who swaps directories and files on the path."""
    if os.geteuid() != 0:
        _say("no races: only root can install for another user")
        return []
    wrong = []
    for place in races.PLACES:
        with _scratch() as scratch:
            result = races.run(scratch, place, options.races)
        _say(
            f"  {place} exchanged for a link: {options.races} runs as root, {result.installed} "
            f"installed, {result.refused} refused"
        )
        wrong += result.wrong
    _say(
        f"{options.races * len(races.PLACES)} runs as root in a directory of another user: "
        f"{len(wrong)} files of root's changed, or of the user's became root's"
    )
    return wrong


def _policies(_options: argparse.Namespace) -> list[str]:
    """Try each policy at each path in OpenBao's OpenAPI document."""
    with _scratch() as scratch, running_openbao(scratch) as server:
        count, wrong = policies.run(server)
    _say(f"{count} pairs of a policy and a path: {len(wrong)} of them give too much or too little")
    return wrong


def _signals(options: argparse.Namespace) -> list[str]:
    """Send signals to runs that log in, at random instants."""
    with _scratch() as scratch, running_openbao(scratch) as server:
        role = signals.Role.make(Operator.of(server))
        statuses, wrong = signals.at_random(role, scratch, options.signals, options.seed)
    _say(f"{options.signals} signals at random instants of a login (seed {options.seed})")
    _say(f"  exit statuses: {statuses}")
    _say(f"  {len(wrong)} left a token unsaid, half a set, or anything else wrong")
    return wrong


@contextmanager
def _scratch() -> Iterator[Path]:
    """Create a directory that every user may enter."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


PARTS = {
    "kills": _kills,
    "renewals": _renewals,
    "daemon": _daemon,
    "reader": _reader,
    "races": _races,
    "policies": _policies,
    "signals": _signals,
}

if __name__ == "__main__":
    sys.exit(main())
