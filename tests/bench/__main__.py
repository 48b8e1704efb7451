"""How fast is it, compared with what a user would run instead? ``python -m tests.bench``.

Everything in one run on one machine: the contenders take turns, so that other load affects all of
them. Each figure is a median; the first turns are not counted.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from tests import mounts
from tests.harness.openbao import running_openbao

from . import distance, many, report, signing, tick, timeline
from .contenders import ISSUING_ROLE, MOUNT, Contender, contenders, far_contenders
from .gauge import Gauge, Usage, median, running_gauge

if TYPE_CHECKING:
    from tests.harness.openbao import DevVault

ROUNDS = 20
WARM_UP = 3
PROGRAMS = {"ab": "apache2-utils", "jq": "jq", "openssl": "openssl"}


def main() -> int:
    """Measure, print, and return the exit status, which is 0 however slow it was."""
    missing = [package for program, package in PROGRAMS.items() if not shutil.which(program)]
    if missing:
        sys.stderr.write(f"the bench needs: {' '.join(missing)} (scripts/install-bench-tools)\n")
        return 1
    with tempfile.TemporaryDirectory() as scratch:
        directory = Path(scratch)
        sys.stdout.write(report.machine() + "\n")
        with running_openbao(_made(directory / "near")) as server:
            _prepare(server)
            runners = contenders(server, os.environ["PATH"], directory)
            sys.stdout.write(_commands("whole commands", runners, directory) + "\n")
            sys.stdout.write(report.rates(signing.measure(server, directory)) + "\n")
            sys.stdout.write(many.measured(server, os.environ["PATH"], directory / "many") + "\n")
            when = timeline.measured(runners[0], runners[1], directory, ROUNDS)
        with distance.far_openbao(_made(directory / "far")) as (server, vault):
            _prepare(server)
            runners = far_contenders(vault, os.environ["PATH"], directory)
            sys.stdout.write(_commands("40 ms away, with a login", runners, directory) + "\n")
        sys.stdout.write(tick.measured(_made(directory / "tick")) + "\n")
        sys.stdout.write(when)
    return 0


def _made(directory: Path) -> Path:
    directory.mkdir()
    return directory


def _prepare(server: DevVault) -> None:
    """Run `ca init`, and create the role for keys made by Vault: P-256, too, for fairness."""
    mounts.init(server)
    with mounts.session(server) as session:
        adapter = session.adapter
        role = adapter.get(f"/v1/{MOUNT}/roles/client")["data"]
        role |= {"key_type": "ec", "key_bits": 256}
        adapter.post(f"/v1/{MOUNT}/roles/{ISSUING_ROLE}", json=role)


def _commands(what: str, runners: tuple[Contender, ...], directory: Path) -> str:
    found: dict[str, list[Usage]] = {runner.name: [] for runner in runners}
    with running_gauge(directory / "output") as gauge:
        for turn in range(WARM_UP + ROUNDS):
            for runner in runners:
                usage = _run(gauge, runner, directory)
                if turn >= WARM_UP:
                    found[runner.name].append(usage)
    rivals = [runner.name for runner in runners[1:] if runner.files]
    medians = {name: median(usages) for name, usages in found.items()}
    return report.commands(f"{what}, medians of {ROUNDS}", medians, rivals)


def _run(gauge: Gauge, runner: Contender, directory: Path) -> Usage:
    with tempfile.TemporaryDirectory(dir=directory) as empty:
        usage = gauge.run(runner.command, runner.environment, Path(empty))
        if runner.files:
            _check(runner, Path(empty))
    return usage


def _check(runner: Contender, directory: Path) -> None:
    """Verify that the work was done."""
    for name, mode in (("ca.pem", 0o444), ("cert.pem", 0o444), ("key.pem", 0o400)):
        if (directory / name).stat().st_mode & 0o777 != mode:
            raise RuntimeError(f"{runner.name} left {name} with another mode")


if __name__ == "__main__":
    sys.exit(main())
