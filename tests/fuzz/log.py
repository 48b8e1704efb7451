"""Lines of the journal, with what strangers made dockerd write, and which of its runs count."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple

from dockertls_vault import clients
from dockertls_vault.daemon.attempt import Attempt
from dockertls_vault.host import journal
from dockertls_vault.host.journal import Runs

from .border import Border
from .mutations import of_bytes, of_json, of_text

if TYPE_CHECKING:
    from random import Random

    from dockertls_vault.clients import Rejected

_FROM = "http: TLS handshake error from "
_MESSAGES = (
    f"{_FROM}10.0.0.5:44044: tls: client didn't provide a certificate\n",
    f"{_FROM}[2001:db8::5]:1: remote error: tls: bad certificate",
    f"{_FROM}[::ffff:10.0.0.5]:1: x509: certificate signed by unknown authority",
    "Started docker.service.",
    "Suppressed 525 messages from docker.service",
)
_RUNS = ("before", "first", "now", None)
_IDS = ("39f53479d3a045ac8e11786248231fbf", "a596d6fe7bfa4994828e72309e95d61e", None)


class _Kept(NamedTuple):
    lines: list[str]
    attempt: bytes


def _draw(random: Random) -> _Kept:
    lines = [_line(random) for _ in range(random.choice((1, 2, 5)))]
    noted = json.loads(Attempt("files", "first", "trust", "before").to_bytes())
    return _Kept(lines, of_json(random, noted))


def _line(random: Random) -> str:
    message = random.choice(_MESSAGES)
    entry = {
        "__REALTIME_TIMESTAMP": "1795786346487256",
        "MESSAGE": of_text(random, message) if random.random() < 0.5 else message,
        "MESSAGE_ID": random.choice(_IDS),
        "SYSLOG_IDENTIFIER": "dockerd",
        "_TRANSPORT": random.choice(("stdout", "journal", "syslog")),
        "N_DROPPED": "525",
        "_BOOT_ID": random.choice(("1", "2")),
        "_PID": random.choice(("1", "100")),
        "_SYSTEMD_INVOCATION_ID": random.choice(_RUNS),
        "INVOCATION_ID": random.choice(_RUNS),
        "OBJECT_SYSTEMD_INVOCATION_ID": random.choice(_RUNS),
    }
    raw = of_json(random, entry)
    damaged = of_bytes(random, raw) if random.random() < 0.1 else raw
    return damaged.decode(errors="replace")


def _cross(kept: _Kept) -> tuple[Rejected, ...]:
    last = Attempt.from_bytes(kept.attempt)
    log = journal.parse(kept.lines, "dockerd", Runs("now", last.after if last else None))
    return () if log is None else clients.summarize(log)


BORDER = Border("log", _draw, _cross)
