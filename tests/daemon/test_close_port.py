"""The port of a dockerd that lets anyone in is closed."""

from __future__ import annotations

from datetime import timedelta
from socket import create_server
from typing import TYPE_CHECKING

import pytest

from dockertls_vault.daemon import close_port
from dockertls_vault.daemon.desired import Listen
from dockertls_vault.errors import ConflictingState, DockerUnavailable
from dockertls_vault.host import systemd

if TYPE_CHECKING:
    from collections.abc import Mapping

SECOND = timedelta(seconds=1)


@pytest.fixture(name="runs")
def systemd_that_does_nothing(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Return the limits of what is run, in seconds; nothing is."""
    limits: list[float] = []

    def run(_unit: str, properties: Mapping[str, str], _command: object, limit: float) -> None:
        assert properties == {"Type": "oneshot"}  # which is waited for
        limits.append(limit)

    monkeypatch.setattr(systemd, "run", run)
    return limits


def test_port_is_closed_in_one_unit(runs: list[float]) -> None:
    """A kill after any part of it leaves the rest to systemd; it is waited for as long as given."""
    with create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    close_port.close([Listen("127.0.0.1", port)], SECOND, 7.0)
    assert runs == [7.0]


@pytest.mark.usefixtures("runs")
def test_port_that_stays_open_is_an_error() -> None:
    """Whoever listens there."""
    with create_server(("127.0.0.1", 0)) as listening:
        address = "127.0.0.1:{1}".format(*listening.getsockname())
        with pytest.raises(ConflictingState, match=f"{address} still accepts connections$"):
            close_port.close([Listen("127.0.0.1", listening.getsockname()[1])], SECOND, 1.0)


def test_failure_says_whether_the_port_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Dockerd may be what does not start without it, or take longer than there is time."""

    def run(*_: object) -> None:
        raise ConflictingState("it failed")

    monkeypatch.setattr(systemd, "run", run)
    with pytest.raises(DockerUnavailable, match=r"^it failed$"):
        close_port.close([], SECOND, 1.0)
    still = "still accepts connections; it failed"
    with (
        create_server(("127.0.0.1", 0)) as listening,
        pytest.raises(ConflictingState, match=still),
    ):
        close_port.close([Listen("127.0.0.1", listening.getsockname()[1])], SECOND, 1.0)
