"""The servers that the tests run on: OpenBao as it is, and in both dialects of Vault."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.harness.openbao import DevVault, running_openbao

from . import community, enterprise
from .proxy import speaking

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from .exchange import Rule


@contextmanager
def running_dialect(directory: Path, rules: Sequence[Rule]) -> Iterator[DevVault]:
    """Run a separate OpenBao behind ``rules``: mounts, roles and CAs are created through them."""
    with running_openbao(directory) as server, speaking(rules, server.address) as address:
        yield replace(server, address=address, ignores=("not_after_bound",))


@pytest.fixture(scope="session")
def vault_community(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DevVault]:
    """Return a server that answers as Vault Community, shared by the tests."""
    with running_dialect(tmp_path_factory.mktemp("community"), community()) as server:
        yield server


@pytest.fixture(scope="session")
def vault_enterprise(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DevVault]:
    """Return a server that answers as Vault Enterprise and HCP Vault, shared by the tests."""
    with running_dialect(tmp_path_factory.mktemp("enterprise"), enterprise()) as server:
        yield server


@pytest.fixture(
    scope="session",
    params=["openbao", "vault_community", "vault_enterprise"],
    ids=["openbao", "community", "enterprise"],
)
def vault_server(request: pytest.FixtureRequest) -> DevVault:
    """Return each of the three servers in turn: each test uses its own mounts."""
    server: DevVault = request.getfixturevalue(request.param)
    return server


# For a test that meets no rule of either dialect: its outcome is the same on all three servers.
on_openbao = pytest.mark.parametrize("vault_server", ["openbao"], indirect=True, ids=["openbao"])
