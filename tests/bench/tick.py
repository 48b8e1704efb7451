"""A tick of a timer with nothing due, against a Python process that does nothing.

``python -m tests.bench.tick`` measures only this.
"""

from __future__ import annotations

import sys
import tempfile
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from dockertls_vault.certificate.schedule import plan
from dockertls_vault.credential import store
from dockertls_vault.credential.due import Due
from dockertls_vault.credential.registry import Registry
from dockertls_vault.needs_renewal import Need
from tests.credentials import CLIENT, material

from . import report
from .gauge import Usage, median, running_gauge

ROUNDS = 40
WARM_UP = 3
CREDENTIALS = 20
PROGRAM = str(Path(sys.executable).with_name("dockertls-vault"))
NOTHING = "python -c pass"


def measured(directory: Path) -> str:
    """Return the table of CPU and wall time, with ratios."""
    state = directory / "state"
    prepare(directory, state)
    commands = {
        NOTHING: ((sys.executable, "-c", "pass"), 0),
        "needs-renewal DIR": ((PROGRAM, "needs-renewal", str(directory / "0")), Need.NOT_DUE),
        f"needs-renewal, {CREDENTIALS} known": ((PROGRAM, "needs-renewal"), Need.NOT_DUE),
    }
    environment = {"HOME": str(directory), "DOCKERTLS_STATE_DIR": str(state)}
    found: dict[str, list[Usage]] = {name: [] for name in commands}
    with running_gauge(directory / "output") as gauge:
        for turn in range(WARM_UP + ROUNDS):
            for name, (command, status) in commands.items():
                usage = gauge.run(command, environment, directory, expected=status)
                if turn >= WARM_UP:
                    found[name].append(usage)
    return report.ticks(
        f"a tick, medians of {ROUNDS}", {name: median(usages) for name, usages in found.items()}
    )


def prepare(directory: Path, state: Path) -> None:
    """Install credentials that are not due for days, as if `renew` had just asked Vault."""
    now = datetime.now(UTC)
    registry = Registry(state)
    for number in range(CREDENTIALS):
        out = directory / str(number)
        installed = replace(material(1), due=Due(plan(now, now + timedelta(days=7), str(number))))
        store.install(CLIENT.place(out), installed, CLIENT, replace=False, now=now)
        registry.add(out)
    registry.looked(now)


def main() -> int:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as directory:
        sys.stdout.write(measured(Path(directory)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
