"""Many credentials on one host: renewed in one run, one by one, and by `renew --watch`."""

from __future__ import annotations

import multiprocessing
import os
import sys
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from dockertls_vault.certificate.names import Names
from dockertls_vault.certificate.request import KeyType, Purpose, Request
from dockertls_vault.credential.layout import Layout
from dockertls_vault.credential.record import Record
from dockertls_vault.credential.registry import Registry
from dockertls_vault.credential.settle import Running
from dockertls_vault.issue import issue
from dockertls_vault.renew_all import renew_all
from dockertls_vault.renewal.reasons import Policy
from dockertls_vault.vault.pki import PKI
from dockertls_vault.watch import Work, due_at, watch
from tests import mounts

from . import report
from .contenders import MOUNT
from .gauge import Usage, running_gauge

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from multiprocessing.connection import Connection

    from dockertls_vault.renew import Renewal
    from tests.harness.openbao import DevVault

    from .gauge import Gauge

COUNT = 200
# A day of an hour-long certificate, renewed every 40 minutes; Vault is asked every hour.
TICKS = 24 * 60
EVERY = 24
_RUNNING = Running({}, timedelta(minutes=1))


@dataclass(frozen=True)
class Growth:
    """The resident set of a process in MiB, after its first round and after all."""

    first: float
    last: float
    renewals: int


def measured(server: DevVault, path: str, directory: Path) -> str:
    """Return the figures as text."""
    for name in ("runs", "growth"):
        (directory / name).mkdir(parents=True)
    with running_gauge(directory / "output") as gauge:
        found = runs(server, gauge, path, directory / "runs")
        table = report.commands("many credentials", found, list(found)[1:])
    grown = growth(server, directory / "growth")
    return (
        f"{table}\nrenew --watch, a day: {grown.renewals} renewals, {TICKS} rounds; "
        f"{grown.first:.1f} MiB after the first, {grown.last:.1f} MiB after the last, "
        f"ratio {grown.last / grown.first:.3f}\n"
    )


def runs(server: DevVault, gauge: Gauge, path: str, directory: Path) -> dict[str, Usage]:
    """Return the cost of renewing all in one run, and in one run each."""
    chosen = issued(server, directory, COUNT)
    command = str(Path(sys.executable).with_name("dockertls-vault"))
    environment = {
        "PATH": path,
        "HOME": str(directory),
        "BAO_ADDR": server.address,
        "BAO_TOKEN": server.token,
        "DOCKERTLS_STATE_DIR": str(directory / "state"),
    }

    def renew(directories: Sequence[Path]) -> Usage:
        arguments = (command, "renew", "--force", "-q", *map(str, directories))
        return gauge.run(arguments, environment, directory)

    renew(chosen[:1])  # which compiles modules
    singles = [renew([each]) for each in chosen]
    total = Usage(
        sum(each.wall for each in singles),
        sum(each.cpu for each in singles),
        max(each.memory for each in singles),
    )
    return {f"renew, {COUNT} in one run": renew(chosen), f"renew, {COUNT} runs": total}


def growth(server: DevVault, directory: Path) -> Growth:
    """Return how the memory of a process that watches one credential grows in a day."""
    chosen = issued(server, directory, 1)
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_watch_a_day, args=(server, chosen, directory, theirs))
    process.start()
    found: Growth = ours.recv()
    process.join()
    return found


def _watch_a_day(
    server: DevVault, chosen: Sequence[Path], directory: Path, result: Connection
) -> None:
    ticks = iter(range(1, TICKS + 1))
    registry = Registry(directory / "state")

    def renew(directories: Sequence[Path]) -> Iterator[Renewal]:
        with mounts.session(server) as session:
            policy = Policy(Names, force=True)
            yield from renew_all(directories, policy, _RUNNING, session, registry, _now)

    work = Work(
        lambda: chosen, lambda each, now: due_at(each, now, running=_RUNNING, admins=None), renew
    )
    rounds = watch(work, clock=_now, sleep=lambda _: next(ticks) % EVERY == 0, random=lambda: 1.0)
    first, renewals = 0.0, 0
    for number, done in enumerate(rounds):
        renewals += sum(each.error is None for each in done.done)
        first = first or _resident()
        if number == TICKS - 1:
            break
    result.send(Growth(first, _resident(), renewals))


def issued(
    server: DevVault, directory: Path, count: int, ttl: timedelta = timedelta(hours=1)
) -> list[Path]:
    """Issue client certificates, each in its own directory; return the directories."""
    found = []
    with mounts.session(server) as session:
        pki = PKI(session, MOUNT)
        for number in range(count):
            record = Record(_request(f"client{number}", ttl), Layout.DOCKER)
            place = record.place(directory / f"{number:03}")
            issue(
                record,
                place,
                signer=pki,
                trust=pki,
                drop_refused_names=False,
                replace_files=False,
                ends_session=False,
                clock=_now,
            )
            found.append(place.directory)
    return found


def _request(name: str, ttl: timedelta) -> Request:
    return Request(
        purpose=Purpose.CLIENT,
        mount=MOUNT,
        role="client",
        names=Names(),
        common_name=name,
        ttl=ttl,
        key_type=KeyType.EC_P256,
    )


def _now() -> datetime:
    return datetime.now(UTC)


def _resident() -> float:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20
