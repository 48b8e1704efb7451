"""A request as it is made of the cluster, before a node is chosen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True)
class Call:
    """A request that any node may answer; ``path`` is without ``/v1/``."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: object = None
    params: Mapping[str, str] | None = None
