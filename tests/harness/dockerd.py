"""A real dockerd on this machine, with TCP ports only and without a network of its own."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import tempfile
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import pytest

from .missing import missing, needs_root
from .process import Server, ServerFailed, free_ports, serving

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_ATTEMPTS = 5  # another process may take the port in between
# Packages install it in a directory that may not be on a tester's PATH.
SEARCH_PATH = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"))


class StartDockerd(Protocol):
    """Starts a daemon that runs until the test ends, and returns its port."""

    def __call__(
        self, *options: str, credential: Path | None = None, hosts: Sequence[str] = ("127.0.0.1",)
    ) -> int: ...


@pytest.fixture
def host_dockerd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StartDockerd]:
    """Return a function that starts daemons: ``host_dockerd(credential=directory)``.

    ``credential`` is a directory with ca.pem, cert.pem and key.pem: it serves TLS with them and
    requires client certificates; ``options`` are dockerd's own.
    """
    with ExitStack() as daemons:

        def start(
            *options: str, credential: Path | None = None, hosts: Sequence[str] = ("127.0.0.1",)
        ) -> int:
            if credential is not None:
                options = ("--tlsverify", *tls(credential), *options)
            directory = tmp_path_factory.mktemp("dockerd")
            return daemons.enter_context(dockerd(directory, *options, hosts=hosts))

        yield start


@contextmanager
def dockerd(
    directory: Path,
    *options: str,
    hosts: Sequence[str] = ("127.0.0.1",),
    config: Mapping[str, object] | None = None,
    system_roots: Path | None = None,
) -> Iterator[int]:
    """Run dockerd with ``options``; yield the port on which it listens at each of ``hosts``.

    ``config`` is the content of its daemon.json, ``system_roots`` a bundle that it takes for the
    system's. Without TLS, dockerd deliberately waits 15 s before it listens.
    """
    program = find_dockerd()
    environ = {"PATH": SEARCH_PATH}
    if system_roots is not None:
        environ["SSL_CERT_FILE"] = str(system_roots)
    for attempt in range(1, _ATTEMPTS + 1):
        port = free_ports()
        command = [program, "--bridge=none", "--iptables=false", "--ip6tables=false"]
        command += ["--storage-driver=vfs", *places(directory, config), *options]
        for host in hosts:
            command += ["-H", f"tcp://[{host}]:{port}" if ":" in host else f"tcp://{host}:{port}"]
        with (
            _short_directory() as sockets,
            serving([*command, f"--exec-root={sockets}"], directory, environ=environ) as server,
        ):
            try:
                _wait(server, len(hosts))
            except ServerFailed:
                if attempt < _ATTEMPTS and server.says("address already in use"):
                    continue
                raise
            yield port
            return


@contextmanager
def _short_directory() -> Iterator[Path]:
    """Create a directory for sockets, whose paths have 107 bytes at most: pytest's are longer."""
    with tempfile.TemporaryDirectory(prefix="dockertls-", ignore_cleanup_errors=True) as name:
        yield Path(name)


def tls(credential: Path) -> list[str]:
    """Return the options for TLS with ca.pem, cert.pem and key.pem in ``credential``."""
    return [
        f"--tlscacert={credential / 'ca.pem'}",
        f"--tlscert={credential / 'cert.pem'}",
        f"--tlskey={credential / 'key.pem'}",
    ]


def find_dockerd() -> str:
    """Return the path of dockerd; if it cannot run here, skip or fail the test."""
    needs_root("only root can start dockerd")
    program = shutil.which("dockerd", path=SEARCH_PATH)
    if program is None:
        missing("dockerd is not installed (make test installs it, as root on Debian)")
    return program


def places(directory: Path, config: Mapping[str, object] | None = None) -> list[str]:
    """Return the options that keep a daemon's data in ``directory`` and away from the machine's.

    ``config`` goes into its daemon.json. The namespaces keep it apart in a containerd that
    already runs here.
    """
    (directory / "daemon.json").write_text(json.dumps(config or {}))
    namespace = f"dockertls-{secrets.token_hex(8)}"
    return [
        f"--config-file={directory / 'daemon.json'}",
        f"--data-root={directory / 'data'}",
        f"--pidfile={directory / 'pid'}",
        f"--containerd-namespace={namespace}",
        f"--containerd-plugins-namespace={namespace}-plugins",
    ]


def _wait(server: Server, listeners: int) -> None:
    server.wait_for(
        lambda: server.log.read_text(errors="replace").count("API listen on") >= listeners
    )
