"""Kill `renew` at each system call that changes the disk, at each request, and in its hooks.

Afterwards a reader finds a complete set, and the next run does what is left to do, once.
"""

from __future__ import annotations

import itertools
import os
import signal
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dockertls_vault.certificate.certificate import is_signed_by, load_certificates
from dockertls_vault.certificate.keys import is_key_of
from dockertls_vault.credential import reader
from tests.harness.dialect.proxy import speaking

from . import strace
from .hosts import AFTER_THE_WORK, BEFORE_THE_WORK, KINDS, LOG, Host
from .scenarios import OWNER

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.harness.dialect.exchange import Answer, Forward, Request
    from tests.harness.openbao import DevVault


@dataclass
class AtCall:
    """A kill as the run enters a system call."""

    call: strace.Call

    def run(self, host: Host) -> int:
        """Run ``renew`` until it is killed; return its status."""
        log = host.root / "log"
        command = [*strace.command(log), *self.call.kill(host.live)]
        status = host.run(strace=command)
        killed = strace.killed_at(log, host.live, varying=True)
        # In a generation, calls are counted by all threads alike, and another one may be met.
        assert self.call.varies or killed == [(self.call.name, self.call.place)], killed
        return status


@dataclass
class AtRequest:
    """A kill at request ``nth``, before Vault gets it, or once it has answered."""

    nth: int | None
    answered: bool = False
    seen: int = 0
    pid: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def run(self, host: Host) -> int:
        """Run ``renew`` until it is killed; return its status."""
        with speaking([self._rule], host.server.address) as address:
            return host.run(address=address, started=self._started)

    def _started(self, pid: int) -> None:
        self.pid = pid

    def _rule(self, request: Request, forward: Forward) -> Answer:
        with self.lock:
            mine, self.seen = self.seen == self.nth, self.seen + 1
        if mine and not self.answered:
            os.kill(self.pid, signal.SIGKILL)
        answer = forward(request)
        if mine and self.answered:
            os.kill(self.pid, signal.SIGKILL)
        return answer


@dataclass
class InHook:
    """A kill by the hook, before or after its work."""

    file: str

    def run(self, host: Host) -> int:
        """Run ``renew`` until it is killed; return its status."""
        (host.live / self.file).touch()
        status = host.run()
        (host.live / self.file).unlink()
        return status


def run(
    name: str, server: DevVault, scratch: Path, *, which: slice = slice(None)
) -> tuple[int, list[str]]:
    """Kill at each point, or those that ``which`` selects; return their number and the problems."""
    host = Host(KINDS[name], server, scratch)
    before = [host.leaf(out) for out in host.directories]
    points = _points(host)[which]
    wrong = []
    for point in points:
        host.put_back()
        status = point.run(host)
        problems = [] if status == -signal.SIGKILL else [f"status {status}: {host.said()}"]
        problems += _after(host, before)
        wrong += [f"{name}, {point}: {problem}" for problem in problems]
    return len(points), wrong


def _points(host: Host) -> list[AtCall | AtRequest | InHook]:
    """Let two runs finish; return every point at which one can be killed."""
    log = host.root / "log"
    status = host.run(strace=strace.command(log))
    assert status == host.kind.status, host.said()
    calls = strace.changes(log, host.live, varying=True).known
    host.put_back()
    whole = AtRequest(None)
    assert whole.run(host) == status
    requests = itertools.product(range(whole.seen), (False, True))
    points: list[AtCall | AtRequest | InHook]
    points = [AtCall(call) for call in calls if call.place != LOG]  # which the hook writes
    points += [AtRequest(nth, answered=answered) for nth, answered in requests]
    # A hook that runs as another user cannot kill root.
    if host.kind.hooked and host.kind.directory_of != OWNER:
        points += [InHook(BEFORE_THE_WORK)]
        points += [InHook(AFTER_THE_WORK)] if status == 0 else []
    return points


def _after(host: Host, before: list[bytes]) -> Iterator[str]:
    """Yield what is wrong after a kill, and after the runs that follow."""
    if host.kind is not KINDS["damage"]:  # which stays until it is mended
        yield from _unreadable(host)
    found = host.generations
    status = host.run()
    if status != host.kind.status:
        yield f"the next run exits with {status}: {host.said()}"
        return
    yield from _unreadable(host)
    for out, old in zip(host.directories, before, strict=True):
        yield from _not_done(host, out, old)
    if host.generations != found:  # what is left is removed with the next swap
        yield from _left_over(host)
    if host.kind.hooked and status == 0 and not set(host.generations) <= set(host.log()):
        yield f"hooks ran for {host.log()}, in use are {host.generations}"
    yield from _not_settled(host)
    if status != 0:
        (host.live / "ok").touch()
        if host.run() != 0 or host.log() != host.generations:
            yield f"the hook that failed is not made up for: {host.said()}"
        yield from _not_settled(host, 0)


def _unreadable(host: Host) -> Iterator[str]:
    """Yield what is wrong with the public files, and which key others could read."""
    for out in host.directories:
        found = reader.installed(out)
        if found.key.parent.parent.name != "generations":
            yield f"the public names lead to {found}"
        leaf, *_ = load_certificates(found.cert.read_bytes())
        if not is_key_of(found.key.read_bytes(), leaf):
            yield f"the key is not that of the certificate in {found.key.parent}"
        if not any(is_signed_by(leaf, ca) for ca in load_certificates(found.ca.read_bytes())):
            yield f"ca.pem does not have the issuer in {found.ca.parent}"
    if host.kind is KINDS["damage"]:
        return
    for path in host.live.rglob("key.pem"):
        mode = path.stat().st_mode & 0o777
        if mode & ~(0o440 if host.kind.record.group else 0o400):
            yield f"the key {path} has the mode {mode:04o}"


def _not_done(host: Host, out: Path, old: bytes) -> Iterator[str]:
    """Yield what a run that completed has not done."""
    now = host.leaf(out)
    if (now == old) == (host.kind.action == "renewed"):
        yield f"{out} {'was not' if now == old else 'was'} renewed"
    roots = load_certificates(reader.installed(out).ca.read_bytes())
    if host.kind.action == "trust-updated" and len(roots) != 2:
        yield f"ca.pem was not updated: {roots}"


def _left_over(host: Host) -> Iterator[str]:
    for out in host.directories:
        if left := list((out / ".dockertls" / "unfinished").iterdir()):
            yield f"the next run leaves {left}"


def _not_settled(host: Host, status: int | None = None) -> Iterator[str]:
    """Yield what one more run still does."""
    status = host.kind.status if status is None else status
    if (ended := host.run("-o", "json")) != status:
        yield f"one more run exits with {ended}: {host.said()}"
        return
    for done in host.told():
        if done["action"] != "nothing" or done["hooks"]["ran"]:
            yield f"something is left to do: {done}"
    known = tuple(sorted(host.directories))
    if host.registry.known() != known:
        yield f"the host knows {host.registry.known()}"
