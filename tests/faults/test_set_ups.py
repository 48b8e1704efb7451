"""The short form of `make test-faults daemon`: some of the kills of a set-up of dockerd."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.harness.host import Host, running_host

from . import set_ups

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.harness.engine import Engine

pytestmark = pytest.mark.slow

# The points, as the last call of its kind in that place, or a child counted from the last one. What
# follows the kill is a removal (even) or the set-up, after a restart and a boot (0, 1) or at once.
_SAMPLE = {
    "configure with a daemon.json": {
        "write etc/docker/.daemon.json.dockertls-vault": 2,
        "fsync etc/docker": 0,
        "openat etc/systemd/system/docker.service.d": 2,
        "fsync etc/systemd/system/docker.service.d": 1,
        "child -1": 3,
    },
    "configure other addresses": {"child -1": 0, "child -4": 3},
    "remove": {"fsync etc/systemd/system/docker.service.d": 3, "child -1": 1, "child -2": 2},
    "put back": {"write etc/docker/.daemon.json.dockertls-vault": 3, "child -2": 0},
}


@pytest.fixture(scope="module")
def host(
    engine: Engine,
    newer_host_image: str,
    newer_host_program: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Host]:
    """Return a host with a certificate, whose dockerd validates its configuration quickly."""
    with running_host(engine, newer_host_image, newer_host_program) as booted:
        set_ups.prepare(booted, tmp_path_factory.mktemp("host") / "strace")
        yield booted


@pytest.mark.parametrize("kind", _SAMPLE)
def test_killed_set_up_leaves_a_working_docker_and_the_next_run_ends_it(
    kind: str, host: Host, tmp_path: Path
) -> None:
    """Dockerd starts, its socket works, nothing is served in plaintext; containers run on.

    The next run completes the set-up, or takes it back byte for byte.
    """
    killed, wrong = set_ups.run(kind, host, tmp_path, chosen=_SAMPLE[kind])
    assert killed == len(_SAMPLE[kind])
    assert wrong == []
