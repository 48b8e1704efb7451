"""The servers of docker-compose.test.yml, run by pytest-docker."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import socket
import ssl
import subprocess
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

import pytest
import yaml  # type: ignore[import-untyped] # it comes without types
from pytest_docker.plugin import DockerComposeExecutor, Services

from .dockerd import SEARCH_PATH
from .missing import missing
from .openbao import DevVault, is_healthy
from .process import LIMIT, ServerFailed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .engine import Engine

_FILE = Path(__file__).parents[2] / "docker-compose.test.yml"
_PAUSE = 0.05  # seconds
_ADDRESS = "127.0.0.1"  # the engine is on this machine
_ROOT_TOKEN = "root"  # as docker-compose.test.yml has it
_VAULT_PORT = 8200
_TLS_PORT = 2376


class Endpoint(NamedTuple):
    """The published address of a daemon: an IP address of this machine, and the port."""

    host: str
    port: int


class StartDind(Protocol):
    """Starts a Docker in Docker that runs until the test ends."""

    def __call__(self, certificates: Path, *, port: int | None = None) -> Endpoint: ...


@dataclass(frozen=True)
class Compose:
    """A compose command for the engine, with the images to use, quoted for a shell."""

    command: str

    @contextmanager
    def dind(self, certificates: Path, *, port: int | None = None) -> Iterator[Endpoint]:
        """Run a Docker in Docker with the server/{ca,cert,key}.pem of ``certificates``.

        It is published on a free loopback port, or on ``port``. Raises ServerFailed, with its
        log, if it does not serve TLS in time.
        """
        command = environment(DIND_CERTS=str(certificates), DIND_PORT=str(port or ""))
        project = f"dockertls-dind-{os.getpid()}-{time.monotonic_ns()}"
        executor = DockerComposeExecutor(f"{command} {self.command}", str(_FILE), project)
        try:
            executor.execute("up -d dind")
            yield _serving_tls(executor, "dind")
        finally:
            executor.execute("down -v -t 10")

    @contextmanager
    def running(self, text: str, service: str, scratch: Path) -> Iterator[Endpoint]:
        """Run the file ``text``, with the image and the privileges of our dind for ``service``.

        Raises ServerFailed, with its log, if it does not serve TLS in time.
        """
        ours = yaml.safe_load(_FILE.read_text())["services"]["dind"]
        here = {name: ours[name] for name in ("image", "privileged", "cap_add", "security_opt")}
        files = {"printed": text, "here": json.dumps({"services": {service: here}})}
        for name, content in files.items():
            (scratch / name).write_text(content)
        paths = [str(scratch / name) for name in files]
        project = f"dockertls-printed-{os.getpid()}-{time.monotonic_ns()}"
        executor = DockerComposeExecutor(self.command, paths, project)
        try:
            executor.execute("up -d")
            yield _serving_tls(executor, service)
        finally:
            executor.execute("down -v -t 10")


@pytest.fixture
def start_dind(compose: Compose) -> Iterator[StartDind]:
    """Return a function that starts daemons in containers and returns ``host, port``."""
    with ExitStack() as daemons:

        def start(certificates: Path, *, port: int | None = None) -> Endpoint:
            return daemons.enter_context(compose.dind(certificates, port=port))

        yield start


@pytest.fixture(scope="session")
def compose_vault(docker_services: Services) -> DevVault:
    """Return the Vault of docker-compose.test.yml, shared by the tests."""
    port = docker_services.port_for("vault", _VAULT_PORT)
    docker_services.wait_until_responsive(lambda: is_healthy(_ADDRESS, port), LIMIT, _PAUSE)
    return DevVault(f"http://{_ADDRESS}:{port}", _ROOT_TOKEN)


@pytest.fixture(scope="session")
def compose(engine: Engine, compose_program: str, vault_image: str, dind_image: str) -> Compose:
    """Return the compose command with the part of the tester's environment that it may see."""
    seen = {"HOME", "DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_CONFIG", "DOCKER_CERT_PATH"}
    seen |= {"DOCKER_TLS_VERIFY", "DOCKER_API_VERSION"}
    settings = {name: value for name, value in engine.environ.items() if name in seen}
    settings |= {"VAULT_IMAGE": vault_image, "DIND_IMAGE": dind_image}
    settings |= {"DIND_PRIVILEGED": str(engine.allows_privileged).lower()}
    return Compose(f"{environment(**settings)} {compose_program}")


@pytest.fixture(scope="session")
def compose_program(engine: Engine) -> str:
    """Return ``docker compose`` if the docker CLI has it, else ``docker-compose``."""
    try:
        engine.docker("compose", "version")
    except subprocess.CalledProcessError:
        if shutil.which("docker-compose", path=SEARCH_PATH) is None:
            missing("neither docker compose nor docker-compose is installed")
        return "docker-compose"
    return "docker compose"


@pytest.fixture(scope="session")
def docker_compose_command(compose: Compose) -> str:
    """Override pytest-docker's: the command with its environment."""
    return compose.command


@pytest.fixture(scope="session")
def docker_compose_file() -> str:
    """Override pytest-docker's: the file in the root directory."""
    return str(_FILE)


@pytest.fixture(scope="session")
def docker_setup() -> list[str]:
    """Override pytest-docker's: start only Vault, as each dind has its own certificates."""
    return ["up -d vault"]


@pytest.fixture(scope="session")
def docker_cleanup() -> list[str]:
    """Override pytest-docker's: an in-memory server needs no cleanup."""
    return ["down -v -t 1"]


def environment(**variables: str) -> str:
    """Return the prefix of a shell command that sets ``variables``."""
    return shlex.join(["env", *(f"{name}={value}" for name, value in variables.items())])


def _serving_tls(executor: DockerComposeExecutor, service: str) -> Endpoint:
    """Return the published address of ``service`` once it serves TLS."""
    deadline = time.monotonic() + LIMIT
    while True:
        endpoint = _published(executor, service)
        if endpoint is not None and _serves_tls(endpoint):
            return endpoint
        running = executor.execute("ps --services --filter status=running").decode().split()
        if service not in running or time.monotonic() > deadline:
            log = executor.execute(f"logs --no-color {service}").decode(errors="replace")
            raise ServerFailed(f"{service} does not serve TLS:\n{log}")
        time.sleep(_PAUSE)


def _published(executor: DockerComposeExecutor, service: str) -> Endpoint | None:
    """Return the published address of ``service``; None if its container has exited."""
    answer = executor.execute(f"port {service} {_TLS_PORT}", success_codes=(0, 1)).decode()
    found = re.search(rf"^{re.escape(_ADDRESS)}:(\d+)$", answer, re.MULTILINE)
    return Endpoint(_ADDRESS, int(found[1])) if found else None


def _serves_tls(endpoint: Endpoint) -> bool:
    """Tell whether a handshake completes; a published port's proxy answers before that."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        with (
            socket.create_connection(endpoint, timeout=5) as connection,
            context.wrap_socket(connection),
        ):
            return True
    except OSError:
        return False
