"""Where a host keeps what it knows, without a setting."""

from __future__ import annotations

import pytest

from dockertls_vault.settings import places


@pytest.mark.parametrize(
    ("uid", "environ", "expected"),
    [
        (0, {"XDG_STATE_HOME": "/x"}, "/var/lib/dockertls-vault"),
        (1000, {"XDG_STATE_HOME": "/x"}, "/x/dockertls-vault"),
        (1000, {"XDG_STATE_HOME": "relative"}, "/home/a/.local/state/dockertls-vault"),
        (1000, {}, "/home/a/.local/state/dockertls-vault"),
    ],
)
def test_state_directory_follows_xdg_except_for_root(
    uid: int, environ: dict[str, str], expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A relative base directory is ignored."""
    monkeypatch.setenv("HOME", "/home/a")
    assert places.state_directory(environ, uid) == expected
