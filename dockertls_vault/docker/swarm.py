"""Whether a host is a node of a swarm, in which dockerd rejects live-restore; pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

# The states of a node (moby, api/types/swarm: LocalNodeState), without that of a host that is none.
STATES = ("active", "pending", "locked", "error")


def is_node(info: Mapping[str, Any]) -> bool:
    """Tell whether the engine says so in its answer to /info."""
    swarm = info.get("Swarm")
    return isinstance(swarm, dict) and swarm.get("LocalNodeState") in STATES
