"""The port of a dockerd that lets anyone in is closed."""

from __future__ import annotations

from datetime import timedelta
from socket import create_server
from typing import TYPE_CHECKING

import pytest

from dockertls_vault.daemon import closing
from dockertls_vault.daemon.desired import Listen
from dockertls_vault.errors import ConflictingState, DockerUnavailable
from dockertls_vault.host import systemd

if TYPE_CHECKING:
    from collections.abc import Callable

SECOND = timedelta(seconds=1)


@pytest.fixture(name="calls")
def systemd_that_does_nothing(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the calls of systemd in order; none does anything."""
    calls: list[str] = []

    def called(name: str) -> Callable[..., None]:
        return lambda *_: calls.append(name)

    for name in ("run", "reload", "stop", "reset_failed", "restart"):
        monkeypatch.setattr(systemd, name, called(name))
    return calls


def test_dockerd_is_restarted_once_nothing_opens_the_socket(calls: list[str]) -> None:
    """Until then, it keeps what systemd has passed to it."""
    with create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    closing.close([Listen("127.0.0.1", port)], SECOND)
    assert calls == ["run", "reload", "stop", "reset_failed", "restart"]


@pytest.mark.usefixtures("calls")
def test_port_that_stays_open_is_an_error() -> None:
    """Whoever listens there."""
    with create_server(("127.0.0.1", 0)) as listening:
        address = "127.0.0.1:{1}".format(*listening.getsockname())
        with pytest.raises(ConflictingState, match=f"{address} still accepts connections"):
            closing.close([Listen("127.0.0.1", listening.getsockname()[1])], SECOND)


@pytest.mark.usefixtures("calls")
def test_dockerd_that_does_not_start_without_it_is_an_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Another one than for a port that is open."""

    def restart(_unit: str) -> None:
        raise ConflictingState("it failed")

    monkeypatch.setattr(systemd, "restart", restart)
    with pytest.raises(DockerUnavailable, match="it failed"):
        closing.close([], SECOND)
