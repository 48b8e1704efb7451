"""Send signals to real runs with a login, at many instants, and check what survives in Vault.

A proxy between the run and OpenBao knows the progress of the run: it sends the signal before a
request or its answer is forwarded, or some time after the start.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tests.harness.dialect.proxy import speaking
from tests.harness.process import wait_until
from tests.vault.operator import LIMIT, Operator

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.harness.dialect.exchange import Answer, Forward, Request

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
# Seconds that an undisturbed run takes at most on a slow machine.
_LONGEST = 2.0
_NAMES = ("ca.pem", "cert.pem", "key.pem")


@dataclass(frozen=True)
class Role:
    """An AppRole whose tokens can be counted, and which may sign client certificates."""

    operator: Operator
    variables: dict[str, str]

    @classmethod
    def make(cls, operator: Operator) -> Role:
        pki, mount = operator.enable_pki(), operator.enable_auth("approle")
        policy = f'path "{pki}/sign/client" {{ capabilities = ["update"] }}'
        operator.write(f"sys/policies/acl/{mount}", {"policy": policy})
        operator.write(f"auth/{mount}/role/ci", {"token_policies": mount})
        secret = operator.write(f"auth/{mount}/role/ci/secret-id")["data"]
        return cls(
            operator,
            {
                "DOCKERTLS_MOUNT": pki,
                "DOCKERTLS_AUTH_MOUNT": mount,
                "DOCKERTLS_ROLE_ID": operator.read(f"auth/{mount}/role/ci/role-id")["role_id"],
                "DOCKERTLS_SECRET_ID": secret["secret_id"],
            },
        )

    def accessors(self) -> set[str]:
        """Return the accessors of all existing tokens."""
        status, answer = self.operator.call("LIST", "auth/token/accessors")
        assert status == 200, answer
        return set(answer["data"]["keys"])


@dataclass(frozen=True)
class Outcome:
    """How a run ended, and the number of its requests."""

    status: int
    said: str
    requests: int


class Gate:
    """Sends a signal at request ``nth`` or its answer, and counts all requests."""

    def __init__(self, number: int, nth: int | None, *, answered: bool) -> None:
        self._number = number
        self._nth = nth
        self._answered = answered
        self._lock = threading.Lock()
        self.seen = 0
        self.process: subprocess.Popen[str] | None = None

    def rule(self, request: Request, forward: Forward) -> Answer:
        with self._lock:
            mine, self.seen = self.seen == self._nth, self.seen + 1
        if mine and not self._answered:
            self._send()
        answer = forward(request)
        if mine and self._answered:
            self._send()
        return answer

    def _send(self) -> None:
        assert self.process is not None
        self.process.send_signal(self._number)


def at_request(role: Role, home: Path, number: int, nth: int | None, *, answered: bool) -> Outcome:
    """Run ``issue client``, with the signal at request ``nth`` or its answer."""
    gate = Gate(number, nth, answered=answered)
    with (
        speaking([gate.rule], role.operator.address) as address,
        _issuing(role, address, home) as process,
    ):
        gate.process = process
        return Outcome(*_end(process), gate.seen)


def after(role: Role, home: Path, number: int, seconds: float) -> Outcome:
    """Run ``issue client``, with the signal ``seconds`` after its handlers are installed."""
    with _issuing(role, role.operator.address, home) as process:
        wait_until(lambda: process.poll() is not None or _listens(process.pid))
        time.sleep(seconds)
        process.send_signal(number)
        return Outcome(*_end(process), 0)


def _listens(pid: int) -> bool:
    """Tell whether a process handles SIGTERM, which Python by default does not."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    return bool(int(status.split("SigCgt:")[1].split()[0], 16) & (1 << (signal.SIGTERM - 1)))


def at_random(role: Role, home: Path, count: int, seed: int) -> tuple[dict[int, int], list[str]]:
    """Send ``count`` signals at random instants; return the statuses and the problems."""
    chance = random.Random(seed)  # noqa: S311 - instants, no secrets
    statuses: dict[int, int] = {}
    wrong = []
    for _ in range(count):
        number, seconds = chance.choice(SIGNALS), chance.uniform(0, _LONGEST)
        before = role.accessors()
        outcome = after(role, home, number, seconds)
        statuses[outcome.status] = statuses.get(outcome.status, 0) + 1
        problems = list(judge(role, before, outcome, home, number))
        wrong += [f"{signal.Signals(number).name} after {seconds:.3f} s: {it}" for it in problems]
    return statuses, wrong


def judge(role: Role, before: set[str], outcome: Outcome, home: Path, number: int) -> Iterator[str]:
    """Yield what is wrong: an unreported token, a mixed set, or another exit status."""
    for accessor in role.accessors() - before:
        if accessor not in outcome.said and "Vault may have logged us in" not in outcome.said:
            yield f"a token survives unsaid: {outcome.said!r}"
    present = [name for name in _NAMES if (home / ".docker" / name).exists()]
    if present not in ([], list(_NAMES)):
        yield f"half a set: {present}"
    # Before our handlers are installed, Python reports a SIGINT itself.
    if "KeyboardInterrupt" in outcome.said and "dockertls_vault/" not in outcome.said:
        return
    # Before our handlers are installed, the default action ends the process.
    if outcome.status not in {0, 128 + number, -number}:
        yield f"status {outcome.status}: {outcome.said!r}"
    if "Traceback" in outcome.said:
        yield outcome.said
    if "Exception ignored" in outcome.said:
        yield outcome.said


@contextmanager
def _issuing(role: Role, address: str, home: Path) -> Iterator[subprocess.Popen[str]]:
    environ = {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "VAULT_ADDR": address,
        "DOCKERTLS_STATE_DIR": str(home / "state"),
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "dockertls_vault", "issue", "client", "--name", "ci"],
        env=environ | role.variables,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def _end(process: subprocess.Popen[str]) -> tuple[int, str]:
    _, said = process.communicate(timeout=LIMIT)
    return process.returncode, said
