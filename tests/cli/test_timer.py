"""`renew --install-timer`: what it refuses before it touches anything."""

from __future__ import annotations

from pathlib import Path

import pytest

from dockertls_vault import timer
from dockertls_vault.cli.main import run
from dockertls_vault.errors import ConfigurationError
from dockertls_vault.host import units
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
def test_a_setting_that_the_service_lacks_is_refused(more: dict[str, str], problem: str) -> None:
    """It would ask another Vault than the one that works here."""
    assert _refused(SERVICE | more, SERVICE).problems == (problem,)


def test_a_flag_is_refused() -> None:
    """The service has none."""
    assert _refused(SERVICE, SERVICE, auth="cert").problems == ("auth.method: --auth",)


@pytest.mark.parametrize(
    "more",
    [{}, {"VAULT_TOKEN": "t"}, {"DOCKERTLS_MOUNT": "m"}, {"DOCKERTLS_TOKEN_FILE": "/t"}],
)
def test_the_login_of_the_operator_and_the_mount_do_not_matter(more: dict[str, str]) -> None:
    """The service logs in by itself, and the mount is kept with each credential."""
    here = resolve.resolve({}, SERVICE | more, ())
    timer.refuse_unseen(here, resolve.resolve({}, SERVICE, ()))


@pytest.mark.parametrize("auth", [None, "token", "userpass", "ldap"])
def test_a_service_without_a_login_is_refused(auth: str | None) -> None:
    """Nobody is there to type a password."""
    service = {} if auth is None else {"DOCKERTLS_AUTH": auth}
    assert "log in" in str(_refused({}, service))


@pytest.mark.parametrize(
    "arguments",
    [["--dry-run"], *(["--install-timer", *more] for more in (["/d"], ["--force"], ["--watch"]))],
)
def test_options_that_do_not_go_together_are_refused(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing else is looked at."""
    assert run(["renew", *arguments]) == 2
    assert "--install-timer" in capsys.readouterr().err


def test_a_directory_that_the_timer_does_not_know(tmp_path: Path) -> None:
    """Is only one if there is a timer, and it is ours."""
    later = Path("/srv/later")
    assert timer.uncovered([later], place=tmp_path) == ()
    (tmp_path / "dockertls-renew.service").write_text("[Service]\n")
    assert timer.uncovered([later], place=tmp_path) == ()
    (tmp_path / "dockertls-renew.service").write_text(units.MARK)
    assert timer.uncovered([later], place=tmp_path) == (later,)
