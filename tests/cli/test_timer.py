"""`renew --install-timer`: what it refuses before it touches anything."""

from __future__ import annotations

from pathlib import Path

import pytest

from dockertls_vault import timer
from dockertls_vault.cli.main import run
from dockertls_vault.errors import ConfigurationError
from dockertls_vault.settings import resolve

SERVICE = {"DOCKERTLS_ROLE_ID": "r", "DOCKERTLS_SECRET_ID_FILE": "/s", "VAULT_ADDR": "https://v"}


def _refused(here: dict[str, str], service: dict[str, str], **flags: str) -> ConfigurationError:
    with pytest.raises(ConfigurationError) as refused:
        timer.refuse_unseen(resolve.resolve(flags, here, ()), resolve.resolve({}, service, ()))
    return refused.value


@pytest.mark.parametrize(
    ("more", "problem"),
    [
        ({"VAULT_ADDR": "https://w"}, "vault.address: VAULT_ADDR"),
        ({"BAO_NAMESPACE": "team"}, "vault.namespace: BAO_NAMESPACE"),
        ({"VAULT_CACERT": "/ca.pem"}, "vault.ca_cert: VAULT_CACERT"),
        ({"DOCKERTLS_STATE_DIR": "/state"}, "files.state_dir: DOCKERTLS_STATE_DIR"),
        ({"DOCKERTLS_HOOK_TIMEOUT": "9m"}, "hooks.timeout: DOCKERTLS_HOOK_TIMEOUT"),
        ({"HTTPS_PROXY": "http://p"}, "vault.proxy: the proxy in the environment"),
    ],
)
def test_setting_that_the_service_lacks_is_refused(more: dict[str, str], problem: str) -> None:
    """The service would ask another Vault than the one that works here."""
    assert _refused(SERVICE | more, SERVICE).problems == (problem,)


def test_flag_is_refused() -> None:
    """The service runs without flags."""
    assert _refused(SERVICE, SERVICE, auth="cert").problems == ("auth.method: --auth",)


@pytest.mark.parametrize(
    "more",
    [{}, {"VAULT_TOKEN": "t"}, {"DOCKERTLS_MOUNT": "m"}, {"DOCKERTLS_TOKEN_FILE": "/t"}],
)
def test_login_and_mount_of_the_operator_do_not_matter(more: dict[str, str]) -> None:
    """The service has its own login, and each credential its mount."""
    here = resolve.resolve({}, SERVICE | more, ())
    timer.refuse_unseen(here, resolve.resolve({}, SERVICE, ()))


@pytest.mark.parametrize("auth", [None, "token", "userpass", "ldap"])
def test_service_without_a_login_is_refused(auth: str | None) -> None:
    """It cannot prompt for a password either."""
    service = {} if auth is None else {"DOCKERTLS_AUTH": auth}
    assert "log in" in str(_refused({}, service))


@pytest.mark.parametrize(
    "arguments",
    [["--dry-run"], *(["--install-timer", *more] for more in (["/d"], ["--force"], ["--watch"]))],
)
def test_mutually_exclusive_options_are_refused(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """They are rejected before anything is inspected."""
    assert run(["renew", *arguments]) == 2
    assert "--install-timer" in capsys.readouterr().err


def test_directory_that_the_service_cannot_write_is_reported(tmp_path: Path) -> None:
    """This needs a timer, and one that we installed."""
    later = Path("/srv/later")
    assert timer.uncovered([later], place=tmp_path) == ()
    (tmp_path / "dockertls-renew.service").write_text("[Service]\n")
    assert timer.uncovered([later], place=tmp_path) == ()
    ours = "# Written by `dockertls-vault renew --install-timer`, reworded\n"
    (tmp_path / "dockertls-renew.service").write_text(ours)
    assert timer.uncovered([later], place=tmp_path) == (later,)
