"""What ``issue`` does before its first request to Vault."""

from __future__ import annotations

import socket
from datetime import timedelta
from typing import TYPE_CHECKING

from dockertls_vault.cli import issue, main
from dockertls_vault.errors import Locked
from tests.resolvers import swallowing

if TYPE_CHECKING:
    import threading
    from pathlib import Path

    import pytest

    from dockertls_vault.settings.schema import Settings

TIMEOUT = timedelta(seconds=2)


def test_dns_lookup_takes_at_most_half_the_budget(
    monkeypatch: pytest.MonkeyPatch, over: threading.Event, tmp_path: Path
) -> None:
    """If a resolver hangs, the rest is left for Vault."""
    left = []

    def session(settings: Settings, _preferences: object) -> None:
        left.append(settings.timeout)
        raise Locked("enough")

    monkeypatch.setattr(socket, "getaddrinfo", swallowing(over))
    monkeypatch.setattr(issue, "open_session", session)
    command = ["issue", "server", "--dir", str(tmp_path / "s")]
    assert main.run([*command, "--timeout", f"{TIMEOUT.seconds}s"]) == Locked.exit_status
    assert not over.is_set()
    assert left[0] <= TIMEOUT / 2
