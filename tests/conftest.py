"""For every test: no settings of the tester's environment, and the servers on demand."""

from __future__ import annotations

import os
import signal
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from collections.abc import Iterator

pytest_plugins = [
    "tests.fake_vault",
    "tests.mounts",
    "tests.hosts",
    "tests.releases",
    "tests.resolvers",
    "tests.harness.notes",
    "tests.harness.workers",
    "tests.harness.openbao",
    "tests.harness.dialect.servers",
    "tests.harness.dockerd",
    "tests.harness.engine",
    "tests.harness.images",
    "tests.harness.host",
    "tests.harness.compose",
]

# Signals that pytest ignores are ignored by the programs it starts, too: SIGINT in the background
# of a shell, SIGHUP under nohup. A handler is not inherited, and pytest goes on.
signal.signal(signal.SIGINT, signal.default_int_handler)
if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
    signal.signal(signal.SIGHUP, lambda *_: None)

# The time that an example takes depends on the load of the machine.
settings.register_profile(
    "any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("any machine")

# In requests, a CA bundle from the environment overrides the Docker SDK's.
_AMBIENT = (
    "VAULT_",
    "BAO_",
    "DOCKERTLS_",
    "DOCKER_",
    "ACTIONS_",
    "REQUESTS_CA_",
    "CURL_CA_",
    "SUDO_",
    # Programs that a test starts are not measured: they cannot write the data file everywhere.
    "COVERAGE_",
)
_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")


@pytest.fixture(autouse=True, scope="session")
def _own_list(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """List what fixtures of a module issue in a directory of the tests, not on the host."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DOCKERTLS_STATE_DIR", str(tmp_path_factory.mktemp("host") / "state"))
        yield


@pytest.fixture(autouse=True)
def _own_environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Remove settings for Vault, Docker, CI and proxies, and provide an empty home."""
    for name in list(os.environ):
        if name.startswith(_AMBIENT) or name.upper() in _PROXIES:
            monkeypatch.delenv(name)
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home / ".config"))
    # Root's would be the machine's own.
    monkeypatch.setenv("DOCKERTLS_STATE_DIR", str(home / "state"))


@pytest.fixture
def shared_directory() -> Iterator[Path]:
    """Create a directory that other users can enter, unlike pytest's own."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)
