"""The short form of `make test-faults`: some of the kills of each kind of renewal."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import pytest

from tests.harness.missing import needs_root

from . import renewals
from .hosts import KINDS, ROOT_ONLY

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow

_SERVERS = itertools.cycle(("openbao", "vault_community", "vault_enterprise"))
_EVERY = 30


@pytest.mark.parametrize(
    ("kind", "server", "first"),
    [(kind, next(_SERVERS), number) for number, kind in enumerate(KINDS)],
    ids=KINDS,
)
def test_killed_renewal_leaves_a_complete_set_and_the_next_completes_it(
    kind: str, server: str, first: int, shared_directory: Path, request: pytest.FixtureRequest
) -> None:
    """The next run renews, updates ca.pem or runs hooks, and the one after that does nothing.

    Each kind takes every thirtieth point of a run, from another one on.
    """
    if kind in ROOT_ONLY:
        needs_root("only root can give files away")
    killed, wrong = renewals.run(
        kind, request.getfixturevalue(server), shared_directory, which=slice(first, None, _EVERY)
    )
    assert killed > 0
    assert wrong == []
