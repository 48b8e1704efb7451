"""A request to the cluster, before a node is chosen."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True)
class Call:
    """A request that any node may answer; ``path`` has no ``/v1/``.

    ``headers`` may contain a token and ``body`` a secret, so the repr shows neither.
    """

    method: str
    path: str
    headers: Mapping[str, str] = field(repr=False)
    body: object = field(default=None, repr=False)
    params: Mapping[str, str] | None = None
