"""Where the arguments of dockerd are, as systemd has them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from dockertls_vault.daemon import sources
from dockertls_vault.errors import ConfigurationError
from dockertls_vault.host import systemd

if TYPE_CHECKING:
    from pathlib import Path


def test_removed_drop_in_needs_a_reload(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Systemd names it until then."""
    unit, drop_in = tmp_path / "docker.service", tmp_path / "removed.conf"
    unit.write_text("[Service]\nExecStart=/usr/bin/dockerd\n")
    command = ["/usr/bin/dockerd"]
    answers: dict[str, tuple[Any, ...]] = {
        "Unit": (str(unit), [str(drop_in)]),
        "Service": ([["/usr/bin/dockerd", command]], [], []),
    }
    monkeypatch.setattr(systemd, "properties", lambda _, interface, *__: answers[interface])
    with pytest.raises(ConfigurationError, match=rf"{drop_in} was removed") as caught:
        sources.read()
    assert "systemctl daemon-reload" in caught.value.hint
    drop_in.touch()
    (found,) = sources.read()
    assert (found.path, found.line) == (unit, 2)
