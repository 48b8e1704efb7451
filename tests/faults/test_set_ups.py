"""The short form of `make test-faults daemon`: some of the kills of a set-up of dockerd."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.harness.host import Host, packages, running_host
from tests.harness.images import TRIXIE

from . import set_ups

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.harness.engine import Engine

pytestmark = pytest.mark.slow

_EVERY = 12


@pytest.fixture(scope="module")
def host(
    engine: Engine, newer_host_image: str, wheel: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Host]:
    """Return a host with a certificate, whose dockerd validates its configuration quickly."""
    program = packages(wheel, tmp_path_factory.mktemp("program"), TRIXIE)
    with running_host(engine, newer_host_image, program) as booted:
        set_ups.prepare(booted, tmp_path_factory.mktemp("host") / "strace")
        yield booted


@pytest.mark.parametrize(
    ("kind", "first"), [("configure with a daemon.json", 10), ("put back", 9), ("remove", 3)]
)
def test_killed_set_up_leaves_a_working_docker_and_the_next_run_ends_it(
    kind: str, first: int, host: Host, tmp_path: Path
) -> None:
    """Dockerd starts, its socket works, nothing is served in plaintext; containers run on.

    The next run completes the set-up, or takes it back byte for byte.
    """
    killed, wrong = set_ups.run(kind, host, tmp_path, which=slice(first, None, _EVERY), turn=first)
    assert killed > 0
    assert wrong == []
