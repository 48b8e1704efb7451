"""Which hosts are nodes of a swarm."""

from __future__ import annotations

import pytest

from dockertls_vault.docker.swarm import STATES, is_node


@pytest.mark.parametrize("state", STATES)
def test_node_of_a_swarm(state: str) -> None:
    """Whether it is active, or was, and waits for its key or its managers."""
    assert is_node({"Swarm": {"LocalNodeState": state}})


@pytest.mark.parametrize(
    "swarm", [None, {}, {"LocalNodeState": ""}, {"LocalNodeState": "inactive"}]
)
def test_host_without_a_swarm(swarm: object) -> None:
    """Nor is one that says nothing of it."""
    assert not is_node({"Swarm": swarm})
    assert not is_node({})
