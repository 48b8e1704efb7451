"""Signatures per second: through our own session, and the maximum of the same server."""

from __future__ import annotations

import json
import multiprocessing
import re
import shutil
import statistics
import subprocess
import time
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from dockertls_vault.certificate.keys import generate_key, make_csr
from dockertls_vault.certificate.names import Names
from dockertls_vault.certificate.request import KeyType
from dockertls_vault.vault.pki import PKI
from tests import mounts

from .contenders import MOUNT, NAME

if TYPE_CHECKING:
    from multiprocessing.synchronize import Barrier
    from pathlib import Path

    from tests.harness.openbao import DevVault

ROUNDS = 5
# Signatures of one client; several share them.
REQUESTS = 600
CLIENTS = (1, 8)
_TTL = timedelta(hours=1)
_PER_SECOND = re.compile(r"^Requests per second:\s+([\d.]+)", re.MULTILINE)
_REFUSED = re.compile(r"^Non-2xx responses:", re.MULTILINE)


@dataclass(frozen=True)
class Rate:
    """Signatures per second with this many clients: ours and the ceiling, as medians."""

    clients: int
    ours: float
    ceiling: float


def measure(server: DevVault, directory: Path) -> list[Rate]:
    """Take turns with one CSR; the first turn of each is not counted."""
    csr = make_csr(generate_key(KeyType.EC_P256), NAME, Names())
    body = directory / "sign.json"
    body.write_text(json.dumps({"csr": csr, "common_name": NAME, "ttl": 3600}))
    rates = []
    for clients in CLIENTS:
        turns = [
            (_ours(server, csr, clients), _ceiling(server, body, clients))
            for _ in range(ROUNDS + 1)
        ][1:]
        ours, ceiling = zip(*turns, strict=True)
        rates.append(Rate(clients, statistics.median(ours), statistics.median(ceiling)))
    return rates


def _ours(server: DevVault, csr: str, clients: int) -> float:
    """Sign in this many processes, each with its own session."""
    context = multiprocessing.get_context("spawn")
    ready = context.Barrier(clients + 1)
    processes = [
        context.Process(target=_sign, args=(server, csr, REQUESTS // clients, ready))
        for _ in range(clients)
    ]
    for process in processes:
        process.start()
    ready.wait()
    started = time.perf_counter()
    ready.wait()
    seconds = time.perf_counter() - started
    for process in processes:
        process.join()
    return REQUESTS // clients * clients / seconds


def _sign(server: DevVault, csr: str, count: int, ready: Barrier) -> None:
    with mounts.session(server) as session:
        pki = PKI(session, MOUNT)
        _sign_once(pki, csr)  # which opens the connection
        ready.wait()
        for _ in range(count):
            _sign_once(pki, csr)
        ready.wait()


def _sign_once(pki: PKI, csr: str) -> None:
    pki.sign("client", csr, common_name=NAME, dns_names=(), ip_addresses=(), ttl=_TTL)


def _ceiling(server: DevVault, body: Path, clients: int) -> float:
    """Sign with ab, which only sends requests; the token is that of a temporary server."""
    ab = shutil.which("ab") or "ab"
    run = subprocess.run(
        [
            *(ab, "-q", "-k", "-n", str(REQUESTS), "-c", str(clients)),
            *("-T", "application/json", "-H", f"X-Vault-Token: {server.token}", "-p", str(body)),
            f"{server.address}/v1/{MOUNT}/sign/client",
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    found = _PER_SECOND.search(run.stdout)
    if found is None or _REFUSED.search(run.stdout):
        raise RuntimeError(f"ab did not get signatures:\n{run.stdout}")
    return float(found[1])
