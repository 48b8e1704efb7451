"""Where files of a user are."""

from __future__ import annotations

import pytest

from dockertls_vault.settings import places

UID = 1000


@pytest.mark.parametrize("base", ["", "relative", "./here", "~"])
def test_base_directory_that_is_relative_is_ignored(
    base: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would be another one in each working directory, with other hooks."""
    monkeypatch.setenv("HOME", "/home/alice")
    environ = {
        "HOME": "/home/alice",
        "XDG_CONFIG_HOME": base,
        "XDG_STATE_HOME": base,
    }
    config = "/home/alice/.config/dockertls-vault"
    assert places.config_files(environ)[0] == f"{config}/config.toml"
    assert places.hooks_directories(environ, UID)[1] == f"{config}/hooks.d"
    assert places.state_directory(environ, UID) == "/home/alice/.local/state/dockertls-vault"


def test_base_directory_is_where_the_user_says() -> None:
    """By the XDG base directory specification."""
    environ = {"XDG_CONFIG_HOME": "/c", "XDG_STATE_HOME": "/s"}
    assert places.config_files(environ)[0] == "/c/dockertls-vault/config.toml"
    assert places.hooks_directories(environ, UID)[1] == "/c/dockertls-vault/hooks.d"
    assert places.state_directory(environ, UID) == "/s/dockertls-vault"


def test_base_directories_do_not_apply_to_root() -> None:
    """A timer of root has no session, and must find what `sudo` found."""
    environ = {"XDG_CONFIG_HOME": "/c", "XDG_STATE_HOME": "/s"}
    assert places.state_directory(environ, 0) == "/var/lib/dockertls-vault"
    assert places.hooks_directories(environ, 0) == ("/etc/dockertls-vault/hooks.d",)
